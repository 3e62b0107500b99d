import type { Entropy } from '@zerotouch/foundation/entropy';
import { canonicalRegion } from '../../dps/latency.js';
import type { HubPark } from '../../hub/park.js';
import type { HubRecord, PolicyRecord } from '../../store/store.js';
import { bareEtag, generatedKey, resourceEtag } from '../../unique.js';
import { armChoices } from './choices.js';
import { ArmError, badRequest, managerError } from './errors.js';
import type { ResourceGroups } from './groups.js';
import { readHubBody, readHubPatch, type WantedHub, type WantedSize } from './hub-body.js';
import { findHub, HUB_SUFFIX, hubOf, isInGroup, nameAvailability } from './hub-names.js';
import { hubEtagOf, shownHub, tierOf } from './hub-shown.js';
import type { Operations } from './operations.js';
import type { ArmAnswer, ArmCall } from './route.js';

/** What changing hubs works with. */
export interface HubChangeParts {
  park: HubPark;
  groups: ResourceGroups;
  operations: Operations;
  entropy: Entropy;
}

/**
 * Makes a hub, or makes one what a PUT asks for: all of it, or nothing. Its rates follow its size at once.
 * @throws ArmError, CloudFault
 */
export async function putHub(call: ArmCall, parts: HubChangeParts): Promise<ArmAnswer> {
  const { park, groups, operations, entropy } = parts;
  const wanted = readHubBody(call.body);
  const group = await groups.need(call.subscription, call.group);
  const there = findHub(park, call.name);
  const etag = call.ifMatch === undefined ? wanted.etag : etagIn(call.ifMatch);
  if (there === undefined && etag !== undefined)
    throw new ArmError(armChoices.etagOfNothing.value, 'PreconditionFailed', 'an etag was given, and there is no such hub');
  if (there === undefined) {
    const { reason, message } = nameAvailability(call.name, park);
    if (reason === 'Invalid') throw new ArmError(400, 'InvalidResourceName', message ?? '');
    const spec = { host: `${call.name}${HUB_SUFFIX}`, region: canonicalRegion(wanted.location), subscription: group.subscription };
    const { tier, units, tags = {}, properties } = wanted;
    await park.create({ ...spec, resourceGroup: group.name, tier, units, tags, properties, etag: resourceEtag(entropy) });
  } else checkPlace(there.record, wanted, call);
  const { host } = there ?? hubOf(park, call);
  const record = await park.change(host, (current) => changed(current, wanted, there === undefined ? undefined : etag, entropy));
  const body = shownHub(record);
  return { status: there === undefined ? 201 : 200, headers: operations.begun(body.id, call), body };
}

/** Changes the tags of a hub, its size, or both. @throws ArmError, CloudFault */
export async function patchHub(call: ArmCall, { park, entropy }: HubChangeParts): Promise<ArmAnswer> {
  const { host } = hubOf(park, call);
  const { tags, size } = readHubPatch(call.body);
  const record = await park.change(host, (current) => {
    if (size !== undefined) checkSize(current, size);
    return { ...current, ...size, ...(tags === undefined ? {} : { tags }), etag: resourceEtag(entropy) };
  });
  return { body: shownHub(record) };
}

function changed(
  current: HubRecord,
  { tier, units, tags, policies, properties }: WantedHub,
  etag: string | undefined,
  entropy: Entropy,
): HubRecord {
  if (etag !== undefined && etag !== '*' && bareEtag(etag) !== bareEtag(hubEtagOf(current))) {
    throw new ArmError(
      armChoices.staleEtag.value,
      'PreconditionFailed',
      `the hub has changed since it was read: its etag is ${hubEtagOf(current)}`,
    );
  }
  checkSize(current, { tier, units });
  return {
    ...current,
    tier,
    units,
    tags: tags ?? {},
    properties: { ...current.properties, ...properties },
    etag: resourceEtag(entropy),
    ...(policies === undefined ? {} : { policies: policies.map((policy) => completed(policy, current, entropy)) }),
  };
}

/** A hub stays free or paid, and never goes from standard to basic. Source: hub/iot-hub-upgrade. */
function checkSize({ tier = 'S1' }: HubRecord, wanted: WantedSize): void {
  const [from, to] = [tierOf(tier), tierOf(wanted.tier)];
  if (from === to || (from === 'Basic' && to === 'Standard')) return;
  const remedy = from === 'Standard' && to === 'Basic' ? 'a hub is upgraded from basic to standard only' : 'make another hub';
  throw badRequest(`sku.name: the hub is ${tier}, which cannot become ${wanted.tier}: ${remedy}`);
}

function completed(
  policy: Pick<PolicyRecord, 'name' | 'rights'> & Partial<PolicyRecord>,
  { policies }: HubRecord,
  entropy: Entropy,
): PolicyRecord {
  const known = policies.find(({ name }) => name === policy.name);
  return { primaryKey: generatedKey(entropy), secondaryKey: generatedKey(entropy), ...known, ...policy };
}

function checkPlace(record: HubRecord, { location }: WantedHub, call: ArmCall): void {
  if (!isInGroup(record, call)) throw new ArmError(409, 'NameAlreadyTaken', `there is a hub ${JSON.stringify(call.name)} elsewhere`);
  if (canonicalRegion(location) !== canonicalRegion(record.region)) {
    throw managerError(409, 'InvalidResourceLocation', `the hub is in ${record.region}: a resource cannot move to ${location}`);
  }
}

// az 2.45 sends the header's name and value as Python prints a dictionary.
function etagIn(header: string): string | undefined {
  const text = /^\{'if-match': '?([^']*?)'?\}$/i.exec(header.trim())?.[1] ?? header;
  return text === '' || text === 'None' ? undefined : text;
}
