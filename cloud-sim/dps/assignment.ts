import type { AllocationPolicy, InitialTwin } from '@zerotouch/azure-wire/enrolment';
import { dpsErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { dpsChoices } from '../choices.js';
import type { Hub } from '../hub/hub.js';
import type { Reason } from '../reasons.js';
import { type LinkRecord, type RegistrationRecord, SERVICE_KEY, type Store } from '../store/store.js';
import { allocateHashed, allocateNearest } from './allocation.js';
import { type Shown, type Source, sourceName } from './claim.js';
import type { Latencies } from './latency.js';
import { namedHubs, ownPolicy } from './named-hubs.js';
import { decideMove, type Move, type Place, reprovisionPolicyOf } from './reprovision.js';
import { accessOf, noHubReason, type Skipped, skippedWords, survey } from './survey.js';
import { askWebhook, type WebhookSettings } from './webhook.js';

/** An admitted device that wants a hub. */
export interface AssignmentRequest {
  /** As the device wrote it. */
  registrationId: string;
  apiVersion: string;
  source: Source;
  /** Region of the edge that the device reached. */
  region: string | undefined;
  /** What the device sent along for custom allocation. */
  payload: unknown;
  /** What it showed of itself, for custom allocation. */
  shown: Shown;
}

/** What assigning looks at. */
export interface AssignmentGround {
  store: Store;
  hubs: ReadonlyMap<string, Hub>;
  latencies: Latencies;
  webhook: WebhookSettings;
  /** Ends the call of a webhook when the cloud closes. */
  closing: AbortSignal;
}

/** Where a device goes and what it starts with. `reachable: false`: it stays where DPS can do nothing. */
export interface Assigned {
  move: Move;
  initialTwin: InitialTwin;
  reachable: boolean;
  payload?: unknown;
  reason: Reason;
}

/** Assigned, or what is answered to the device and why in truth. */
export type Assignment = Assigned | { failed: ServiceErrorEntry; reason: Reason };

/** Finds a hub for an admitted device. Changes nothing. Source: iot-dps/how-to-use-allocation-policies, concepts-device-reprovision. */
export async function assign(request: AssignmentRequest, ground: AssignmentGround): Promise<Assignment> {
  const { source } = request;
  const key = canonicalRegistrationId(request.registrationId);
  const [before, links, service] = await Promise.all([
    ground.store.registrations.get(key),
    ground.store.links.list(),
    ground.store.service.get(SERVICE_KEY),
  ]);
  const allocation = ownPolicy(source.enrolment) ?? service?.allocationPolicy ?? 'hashed';
  const policy = reprovisionPolicyOf(source.enrolment, request.apiVersion);
  const known = await locate(before, links, ground.hubs);
  const stays = known !== undefined && !policy.updateHubAssignment;
  // Where there is no link, DPS can take nothing away: but for a device that never moves, that hub is none it knows of.
  const previous = known?.barred?.rule === 'hub-unlinked' && !stays ? undefined : known;
  if (!stays && previous?.barred !== undefined) return barred(source, previous.place, previous.barred);

  const chosen = stays
    ? await keep(request, allocation, known.place, ground)
    : await choose(request, allocation, previous?.place, links, ground);
  if ('failed' in chosen) return chosen;
  const { hub, skipped, payload } = chosen;
  const target: Place = { hub, deviceId: deviceIdOf(request, before) };
  const move = decideMove(previous?.place, target, policy);
  const aside = skipped.length === 0 ? '' : `; passed over: ${skippedWords(skipped)}`;
  return {
    move,
    // A webhook's twin counts where a device starts anew; elsewhere decideMove keeps what is there.
    initialTwin: chosen.initialTwin ?? source.enrolment.initialTwin ?? {},
    reachable: previous?.barred === undefined,
    ...(payload === undefined ? {} : { payload }),
    reason: {
      rule: 'assigned',
      text: `${sourceName(source)} let it in, hub ${move.to.hub} by ${allocation} allocation (${move.substatus})${aside}`,
      ...(skipped.length === 0 ? {} : { skipped }),
    },
  };
}

type Choice = { hub: string; skipped: readonly Skipped[]; initialTwin?: InitialTwin; payload?: unknown };
type Failure = { failed: ServiceErrorEntry; reason: Reason };

/** The hub of a device that may go anywhere. */
async function choose(
  request: AssignmentRequest,
  allocation: AllocationPolicy,
  previous: Place | undefined,
  links: readonly LinkRecord[],
  ground: AssignmentGround,
): Promise<Choice | Failure> {
  const { registrationId, source, region } = request;
  const iotHubs = namedHubs(source.enrolment);
  if (allocation === 'static' && iotHubs?.length !== 1) return notOneHub(source, links);
  const found = await survey(iotHubs, links, ground.hubs);
  const { candidates, skipped } = found;
  if (candidates.length === 0) return { failed: noHubError(skipped), reason: noHubReason(sourceName(source), found, links) };
  if (allocation === 'custom') {
    const linkedHubs = candidates.map(({ host }) => host);
    const answer = await ask(request, previous, linkedHubs, ground);
    return 'failed' in answer ? answer : { ...answer, skipped };
  }
  const key = canonicalRegistrationId(registrationId);
  const weighted = candidates.map(({ host, allocationWeight, region: at }) => ({ host, weight: allocationWeight, region: at }));
  const hub = allocation === 'geoLatency' ? allocateNearest(key, weighted, region, ground.latencies) : allocateHashed(key, weighted);
  if (hub === undefined) throw new Error('candidates of positive weight, and none was chosen');
  return { hub, skipped };
}

/** The hub of a device that never moves; a webhook is asked even so. */
async function keep(
  request: AssignmentRequest,
  allocation: AllocationPolicy,
  place: Place,
  ground: AssignmentGround,
): Promise<Choice | Failure> {
  if (allocation !== 'custom') return { hub: place.hub, skipped: [] };
  const answer = await ask(request, place, [place.hub], ground);
  return 'failed' in answer ? answer : { ...answer, hub: place.hub, skipped: [] };
}

async function ask(
  { source, registrationId, payload, shown }: AssignmentRequest,
  previous: Place | undefined,
  linkedHubs: readonly string[],
  { webhook, closing }: AssignmentGround,
): Promise<Omit<Choice, 'skipped'> | Failure> {
  const { customAllocationDefinition } = source.enrolment;
  if (customAllocationDefinition === undefined) throw new Error('an enrolment with custom allocation was kept without its definition');
  const question = { source, registrationId, previous, payload, shown, linkedHubs };
  const outcome = await askWebhook(customAllocationDefinition, question, webhook, closing);
  if ('failed' in outcome) return outcome;
  const { iotHubHostName: hub, ...rest } = outcome.decision;
  return { hub, ...rest };
}

/** Where a device still is, and what keeps DPS from acting there; `undefined` when device or hub are no more. */
async function locate(
  before: RegistrationRecord | undefined,
  links: readonly LinkRecord[],
  hubs: ReadonlyMap<string, Hub>,
): Promise<{ place: Place; barred: Skipped | undefined } | undefined> {
  const place = before?.place;
  const hub = place === undefined ? undefined : hubs.get(place.hub);
  if (place === undefined || hub === undefined) return undefined;
  const link = links.find(({ host }) => host === place.hub);
  if (link === undefined) return { place, barred: { host: place.hub, rule: 'hub-unlinked', text: 'is not linked to DPS any more' } };
  const barred = accessOf(link, hub);
  if (barred !== undefined) return { place, barred };
  return (await hub.registry.get(place.deviceId)) === undefined ? undefined : { place, barred: undefined };
}

// A device keeps the id it got first: registration ids ignore case, device ids do not.
function deviceIdOf({ registrationId, source }: AssignmentRequest, before: RegistrationRecord | undefined): string {
  if (source.kind === 'individual') return source.enrolment.deviceId ?? source.enrolment.registrationId;
  return before?.state.registrationId ?? registrationId;
}

function barred(source: Source, place: Place, obstacle: Skipped): Failure {
  return {
    failed: obstacle.rule === 'hub-rights' ? dpsErrors.hubRefusesDps : dpsChoices.hubUnreachable.value,
    reason: {
      rule: obstacle.rule,
      text: `${sourceName(source)} let it in, but its data lies on ${place.hub}, which ${obstacle.text}`,
      seen: place.hub,
      expected: 'a hub that DPS can take the device from',
      nearest: `${place.hub}, once it can serve`,
      remedy:
        obstacle.rule === 'hub-rights'
          ? 'link the hub again with the present key of a policy that has RegistryWrite and ServiceConnect'
          : 'bring the hub back, or delete its registration: the device then starts anew elsewhere',
      skipped: [obstacle],
    },
  };
}

function notOneHub(source: Source, links: readonly LinkRecord[]): Failure {
  const named = namedHubs(source.enrolment) ?? [];
  return {
    failed: dpsChoices.staticWithoutHub.value,
    reason: {
      rule: 'static-hubs',
      text: `the allocation is static, and ${sourceName(source)} names ${named.length === 0 ? 'no hub' : `${named.length} hubs`}`,
      seen: named.join(', ') || 'no iotHubs',
      expected: 'exactly one hub in iotHubs',
      nearest: `iotHubs with ${named[0] ?? links[0]?.host ?? 'a linked hub'} alone`,
      remedy: 'name one hub in the enrolment, or choose another allocation policy',
    },
  };
}

// One cause for all hubs has Azure's own code; a mixture has none. What was taken out was no candidate in the first place.
function noHubError(skipped: readonly Skipped[]): ServiceErrorEntry {
  const rules = new Set(skipped.map(({ rule }) => rule).filter((rule) => rule !== 'hub-taken-out'));
  if (rules.size === 1 && rules.has('hub-rights')) return dpsErrors.hubRefusesDps;
  if (rules.size === 1 && rules.has('hub-deleted')) return dpsErrors.linkedHubNotFound;
  return dpsErrors.noHubAssignable;
}
