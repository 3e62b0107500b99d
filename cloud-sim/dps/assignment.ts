import { dpsErrors, timestampUtc } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Hub } from '../hub/hub.js';
import type { NewDevice } from '../hub/registry.js';
import type { Reason } from '../reasons.js';
import type { LinkRecord, RegistrationRecord, Store } from '../store/store.js';
import { etag, operationId } from '../unique.js';
import { allocateHashed } from './allocation.js';
import { type Admitted, type Source, sourceName } from './claim.js';
import { DEFAULT_REPROVISION, decideMove, type Move, type Place } from './reprovision.js';

/** What an admitted device got. */
export interface Assignment {
  record: RegistrationRecord;
  reason: Reason;
}

/** What assigning works with. */
export interface AssignmentGround {
  store: Store;
  hubs: ReadonlyMap<string, Hub>;
  clock: Clock;
  entropy: Entropy;
}

/** Finds a hub for an admitted device, writes its registry, and keeps the registration. */
export async function assign(registrationId: string, admitted: Admitted, ground: AssignmentGround): Promise<Assignment> {
  const key = canonicalRegistrationId(registrationId);
  const [before, linked] = await Promise.all([ground.store.registrations.get(key), ground.store.links.list()]);
  const { candidates, unlinked } = candidatesOf(admitted.source, linked);
  const allocated = allocateHashed(
    key,
    candidates.map(({ host, allocationWeight }) => ({ host, weight: allocationWeight })),
  );
  const previous = await placeOf(before, ground.hubs);
  const policy = admitted.source.enrolment.reprovisionPolicy ?? DEFAULT_REPROVISION;
  const skipped = unlinked.length === 0 ? '' : `; not linked, skipped: ${unlinked.join(', ')}`;
  if (allocated === undefined && (previous === undefined || policy.updateHubAssignment)) {
    const reason: Reason = {
      rule: 'no-hub',
      text: `no hub is left for ${sourceName(admitted.source)}${skipped}`,
      seen: unlinked.join(', ') || 'no hub of positive weight',
      expected: `one of the linked hubs ${linked.map(({ host }) => host).join(', ')}`,
      remedy: "change the enrolment's iotHubs, or link the hub",
    };
    return { record: await keep(registrationId, admitted.source, { failed: dpsErrors.noHubAssignable }, ground), reason };
  }
  const target: Place = {
    hub: allocated ?? previous?.hub ?? '',
    deviceId: deviceIdOf(registrationId, admitted.source, before?.state),
  };
  const move = decideMove(previous, target, policy);
  await carryOut(move, admitted, ground.hubs);
  const record = await keep(registrationId, admitted.source, { move }, ground);
  return { record, reason: { rule: 'assigned', text: `${sourceName(admitted.source)} let it in, hub ${move.to.hub}${skipped}` } };
}

function candidatesOf({ enrolment }: Source, linked: readonly LinkRecord[]): { candidates: LinkRecord[]; unlinked: string[] } {
  if (enrolment.iotHubs === undefined) return { candidates: [...linked], unlinked: [] };
  const wanted = enrolment.iotHubs.map((host) => host.toLowerCase());
  return {
    candidates: linked.filter(({ host }) => wanted.includes(host)),
    unlinked: wanted.filter((host) => !linked.some((hub) => hub.host === host)),
  };
}

// A device keeps the id it got first: registration ids ignore case, device ids do not.
function deviceIdOf(registrationId: string, source: Source, before: RegistrationState | undefined): string {
  if (source.kind === 'individual') return source.enrolment.deviceId ?? source.enrolment.registrationId;
  return before?.registrationId ?? registrationId;
}

/** Where a device still is, as far as its hub knows it. */
async function placeOf(before: RegistrationRecord | undefined, hubs: ReadonlyMap<string, Hub>): Promise<Place | undefined> {
  const { assignedHub, deviceId } = before?.state ?? {};
  if (assignedHub === undefined || deviceId === undefined) return undefined;
  return (await hubs.get(assignedHub)?.registry.get(deviceId)) === undefined ? undefined : { hub: assignedHub, deviceId };
}

async function carryOut({ to, from, twin }: Move, { source, authentication }: Admitted, hubs: ReadonlyMap<string, Hub>): Promise<void> {
  const { initialTwin = {}, capabilities = { iotEdge: false } } = source.enrolment;
  const device: NewDevice = { deviceId: to.deviceId, authentication, capabilities };
  const hub = hubs.get(to.hub);
  if (hub === undefined) throw new Error(`allocation named a hub that does not run: ${to.hub}`);
  if (twin === 'kept') {
    await hub.registry.refresh(device);
    return;
  }
  const left = from === undefined ? undefined : await hubs.get(from.hub)?.release(from.deviceId);
  await hub.admit(device, twin === 'migrated' ? (left ?? initialTwin) : initialTwin);
}

function keep(
  registrationId: string,
  source: Source,
  outcome: { move: Move } | { failed: { code: number; message: string } },
  { store, clock, entropy }: AssignmentGround,
): Promise<RegistrationRecord> {
  const now = timestampUtc(clock.now());
  const [operation, changed] = [operationId(entropy), etag(entropy)];
  const group = source.kind === 'group' ? { enrollmentGroupId: source.enrolment.enrollmentGroupId } : {};
  return store.registrations.update(canonicalRegistrationId(registrationId), (current) => {
    const state: RegistrationState = {
      registrationId: current?.state.registrationId ?? registrationId,
      createdDateTimeUtc: current?.state.createdDateTimeUtc ?? now,
      ...('move' in outcome
        ? {
            status: 'assigned',
            assignedHub: outcome.move.to.hub,
            deviceId: outcome.move.to.deviceId,
            substatus: outcome.move.substatus,
          }
        : { status: 'failed', errorCode: outcome.failed.code, errorMessage: outcome.failed.message }),
      lastUpdatedDateTimeUtc: now,
      etag: changed,
      ...(source.enrolment.attestation.type === 'x509' ? { x509: group } : { symmetricKey: group }),
    };
    return { state, operationId: operation };
  });
}
