import { timestampUtc } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Hub } from '../hub/hub.js';
import type { NewDevice } from '../hub/registry.js';
import type { DeviceAuthentication, RegistrationRecord, Store } from '../store/store.js';
import { etag } from '../unique.js';
import type { Assigned, Assignment } from './assignment.js';
import type { Source } from './claim.js';

/** Writes the registries that an assignment concerns: the device is at its new hub before it leaves the old one. */
export async function carryOut(
  { move: { to, from, twin }, initialTwin, reachable }: Assigned,
  { enrolment }: Source,
  authentication: DeviceAuthentication,
  hubs: ReadonlyMap<string, Hub>,
): Promise<void> {
  if (!reachable) return;
  const hub = hubs.get(to.hub);
  if (hub === undefined) throw new Error(`allocation named a hub that does not run: ${to.hub}`);
  const { capabilities = { iotEdge: false } } = enrolment;
  const device: NewDevice = { deviceId: to.deviceId, authentication, capabilities };
  const there = await hub.registry.get(to.deviceId);
  // Also where DPS lost its record, or an operator made the device: nobody asked for its data to go.
  if (there !== undefined && (twin === 'kept' || from === undefined)) {
    await hub.registry.refresh({ ...device, capabilities: there.capabilities });
    return;
  }
  const old = from === undefined ? undefined : hubs.get(from.hub);
  const [left, leftTwin] =
    from === undefined ? [] : await Promise.all([old?.registry.get(from.deviceId), old?.twins.get({ deviceId: from.deviceId })]);
  if (twin === 'migrated') await hub.admit({ ...device, capabilities: left?.capabilities ?? capabilities }, leftTwin ?? initialTwin);
  else await hub.admit(device, initialTwin);
  if (from !== undefined) await old?.release(from.deviceId);
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
  /** Of a certificate that was issued; see {@link RegistrationRecord}. */
  issuedCertificateChain?: readonly string[] | undefined;
}

/** Keeps what became of a registration. */
export function keepRegistration(
  { registrationId, source, operationId, assignment, authenticationKey, issuedCertificateChain }: Kept,
  { store, clock, entropy }: { store: Store; clock: Clock; entropy: Entropy },
): Promise<RegistrationRecord> {
  const now = timestampUtc(clock.now());
  const changed = etag(entropy);
  const group = source.kind === 'group' ? { enrollmentGroupId: source.enrolment.enrollmentGroupId } : {};
  const { type } = source.enrolment.attestation;
  const proof = type === 'tpm' && authenticationKey !== undefined ? { authenticationKey } : group;
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
