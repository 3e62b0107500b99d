import type { EnrolmentGroup, IndividualEnrolment, ReprovisionPolicy } from '@zerotouch/azure-wire/enrolment';
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

/** What an enrolment without a policy does to devices that speak an old version of the protocol: they never move. */
const OLD_REPROVISION: ReprovisionPolicy = { updateHubAssignment: false, migrateDeviceData: false };
const OLD_API_VERSION = '2018-04-01';

/**
 * The policy that counts for a device. Pure. Source: iot-dps/concepts-device-reprovision, "Backwards compatibility".
 * @param apiVersion of the device's request
 */
export function reprovisionPolicyOf(
  { reprovisionPolicy }: Pick<EnrolmentGroup | IndividualEnrolment, 'reprovisionPolicy'>,
  apiVersion: string,
): ReprovisionPolicy {
  return reprovisionPolicy ?? (apiVersion <= OLD_API_VERSION ? OLD_REPROVISION : DEFAULT_REPROVISION);
}

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
