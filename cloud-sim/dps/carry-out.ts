import type { InitialTwin } from '@zerotouch/azure-wire/enrolment';
import { timestampUtc } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Hub } from '../hub/hub.js';
import type { NewDevice } from '../hub/registry.js';
import { type DeviceAuthentication, deviceKey, type RegistrationRecord, type Store, type Tables } from '../store/store.js';
import { etag } from '../unique.js';
import type { Assigned, Assignment } from './assignment.js';
import type { Admitted, Source } from './claim.js';
import type { Move, Place } from './reprovision.js';

/** What carrying out works with. */
export interface CarryOutGround {
  store: Store;
  hubs: ReadonlyMap<string, Hub>;
  clock: Clock;
  entropy: Entropy;
}

/**
 * Writes the registries that an assignment concerns, and keeps the registration. A move is one step: whatever ends the process, the device with its data is
 * at one of both hubs, and DPS knows at which.
 */
export async function carryOut(
  kept: Kept & { assignment: Assigned },
  authentication: DeviceAuthentication,
  ground: CarryOutGround,
): Promise<RegistrationRecord> {
  const { assignment, source } = kept;
  const { move, initialTwin, reachable } = assignment;
  if (!reachable) return keepRegistration(kept, ground);
  const { to, from } = move;
  const hub = ground.hubs.get(to.hub);
  if (hub === undefined) throw new Error(`allocation named a hub that does not run: ${to.hub}`);
  const { capabilities = { iotEdge: false } } = source.enrolment;
  const device: NewDevice = { deviceId: to.deviceId, authentication, capabilities };
  const there = await hub.registry.get(to.deviceId);
  // Also where DPS lost its record, or an operator made the device: nobody asked for its data to go.
  if (there !== undefined && (move.twin === 'kept' || from === undefined)) {
    await hub.registry.refresh({ ...device, capabilities: there.capabilities });
  } else if (from === undefined) {
    await hub.admit(device, initialTwin);
  } else {
    const old = ground.hubs.get(from.hub);
    const record = await ground.store.together(async (tables) => {
      await moveDevice({ device, initialTwin, move: { ...move, from } }, { hub, old }, tables);
      return keepRegistration(kept, { ...ground, store: tables });
    });
    await old?.departed(from.deviceId);
    await hub.arrived(device);
    return record;
  }
  return keepRegistration(kept, ground);
}

/** Takes a device from one hub to another; with `migrated`, its twin and capabilities go along. */
async function moveDevice(
  { device, initialTwin, move: { from, twin } }: { device: NewDevice; initialTwin: InitialTwin; move: Move & { from: Place } },
  { hub, old }: { hub: Hub; old: Hub | undefined },
  tables: Tables,
): Promise<void> {
  const [left, leftTwin] = await Promise.all([
    old?.registry.within(tables).get(from.deviceId),
    tables.twins.get(deviceKey(from.hub, from.deviceId)),
  ]);
  const migrates = twin === 'migrated';
  const capabilities = (migrates ? left?.capabilities : undefined) ?? device.capabilities;
  await hub.registry.within(tables).create({ ...device, capabilities }, (migrates ? leftTwin : undefined) ?? initialTwin);
  await old?.registry.within(tables).remove(from.deviceId);
  await tables.queues.delete(deviceKey(from.hub, from.deviceId));
}

/** What a registration is kept with. */
export interface Kept {
  registrationId: string;
  source: Source;
  operationId: string;
  /** `undefined`: it is still being decided. */
  assignment: Assignment | undefined;
  /** Base64; a TPM's wrapped hub key. */
  authenticationKey: string | undefined;
  /** By which certificates the device was let in, if by any. */
  x509?: Admitted['x509'] | undefined;
  /** Of a certificate that was issued; see {@link RegistrationRecord}. */
  issuedCertificateChain?: readonly string[] | undefined;
}

/** Keeps what became of a registration. */
export function keepRegistration(
  { registrationId, source, operationId, assignment, authenticationKey, x509, issuedCertificateChain }: Kept,
  { store, clock, entropy }: { store: Tables; clock: Clock; entropy: Entropy },
): Promise<RegistrationRecord> {
  const now = timestampUtc(clock.now());
  const changed = etag(entropy);
  const group = source.kind === 'group' ? { enrollmentGroupId: source.enrolment.enrollmentGroupId } : {};
  const { type } = source.enrolment.attestation;
  const proof = type === 'tpm' && authenticationKey !== undefined ? { authenticationKey } : { ...group, ...x509 };
  return store.registrations.update(canonicalRegistrationId(registrationId), (current) => {
    const state: RegistrationState = {
      registrationId: current?.state.registrationId ?? registrationId,
      createdDateTimeUtc: current?.state.createdDateTimeUtc ?? now,
      ...outcome(assignment),
      lastUpdatedDateTimeUtc: now,
      etag: changed,
      [type]: proof,
    };
    const place = assignment !== undefined && 'move' in assignment ? assignment.move.to : current?.place;
    const { trustBundleId } = source.enrolment;
    return {
      state,
      operationId,
      ...(place === undefined ? {} : { place }),
      ...(issuedCertificateChain === undefined ? {} : { issuedCertificateChain }),
      ...(trustBundleId === undefined ? {} : { trustBundleId }),
    };
  });
}

function outcome(assignment: Assignment | undefined): Omit<RegistrationState, 'registrationId'> {
  if (assignment === undefined) return { status: 'assigning' };
  if ('failed' in assignment) {
    return { status: 'failed', errorCode: assignment.failed.code, errorMessage: assignment.failed.message };
  }
  const { to, substatus } = assignment.move;
  return {
    status: 'assigned',
    assignedHub: to.hub,
    deviceId: to.deviceId,
    substatus,
    ...(assignment.payload === undefined ? {} : { payload: assignment.payload }),
  };
}
