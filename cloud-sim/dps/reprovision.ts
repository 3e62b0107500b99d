import type { ReprovisionPolicy } from '@zerotouch/azure-wire/enrolment';
import type { RegistrationSubstatus } from '@zerotouch/azure-wire/registration';

/** Where a device is or shall be. */
export interface Place {
  hub: string;
  deviceId: string;
}

/** What happens to a device that registers. `twin` tells where the twin at `to` comes from. */
export interface Move {
  to: Place;
  /** Where it is taken away, when it moves. */
  from: Place | undefined;
  twin: 'initial' | 'kept' | 'migrated';
  substatus: RegistrationSubstatus;
}

/** What an enrolment without a policy does. Source: DPS service API 2021-10-01, ReprovisionPolicy. */
export const DEFAULT_REPROVISION: ReprovisionPolicy = { updateHubAssignment: true, migrateDeviceData: true };

/**
 * What a registration does to the device. Pure. Source: iot-dps/concepts-device-reprovision.
 * @param previous where it was assigned before and still is in the registry; `undefined` for a device that is in none
 * @param target where allocation wants it
 */
export function decideMove(previous: Place | undefined, target: Place, policy: ReprovisionPolicy): Move {
  if (previous === undefined) return { to: target, from: undefined, twin: 'initial', substatus: 'initialAssignment' };
  const stays = previous.hub === target.hub && previous.deviceId === target.deviceId;
  if (stays || !policy.updateHubAssignment) {
    return { to: previous, from: undefined, twin: 'kept', substatus: 'reprovisionedToInitialAssignment' };
  }
  return policy.migrateDeviceData
    ? { to: target, from: previous, twin: 'migrated', substatus: 'deviceDataMigrated' }
    : { to: target, from: previous, twin: 'initial', substatus: 'deviceDataReset' };
}
