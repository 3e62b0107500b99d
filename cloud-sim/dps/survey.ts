import type { Hub } from '../hub/hub.js';
import type { Reason, Rule } from '../reasons.js';
import type { LinkRecord } from '../store/store.js';
import { accessFlaw } from './links.js';

/** A hub that cannot get the device, and by which rule. */
export interface Skipped {
  host: string;
  rule: Extract<Rule, 'hub-unlinked' | 'hub-taken-out' | 'hub-deleted' | 'hub-rights' | 'hub-unreachable' | 'hub-full'>;
  text: string;
}

/** Which hubs can get a device, and why the others cannot. */
export interface Survey {
  candidates: LinkRecord[];
  skipped: Skipped[];
}

/**
 * Looks at the hubs that an enrolment names, or at all linked ones.
 * @param wanted host names; `undefined` for all linked hubs, as they are now
 * @param hubs those that run
 */
export async function survey(
  wanted: readonly string[] | undefined,
  links: readonly LinkRecord[],
  hubs: ReadonlyMap<string, Hub>,
): Promise<Survey> {
  const found: Survey = { candidates: [], skipped: [] };
  const byHost = new Map(links.map((link) => [link.host, link]));
  for (const name of wanted ?? byHost.keys()) {
    const host = name.toLowerCase();
    const link = byHost.get(host);
    const skipped = await obstacle(host, link, hubs.get(host));
    if (skipped !== undefined) found.skipped.push(skipped);
    else if (link !== undefined) found.candidates.push(link);
  }
  return found;
}

async function obstacle(host: string, link: LinkRecord | undefined, hub: Hub | undefined): Promise<Skipped | undefined> {
  if (link === undefined) return { host, rule: 'hub-unlinked', text: 'is not linked to DPS' };
  if (!link.applyAllocationPolicy)
    return { host, rule: 'hub-taken-out', text: 'is taken out of allocation: applyAllocationPolicy is false' };
  if (link.allocationWeight === 0) return { host, rule: 'hub-taken-out', text: 'has weight 0' };
  const barred = accessOf(link, hub);
  if (barred !== undefined) return barred;
  return (await hub?.registry.isFull()) === true
    ? { host, rule: 'hub-full', text: 'is full: its registry takes no more devices' }
    : undefined;
}

/** What keeps DPS from acting at a linked hub, or `undefined`. */
export function accessOf(link: LinkRecord, hub: Hub | undefined): Skipped | undefined {
  const { host } = link;
  if (hub === undefined) return { host, rule: 'hub-deleted', text: 'is linked, but there is no such hub any more' };
  if (hub.record.reachable === false) return { host, rule: 'hub-unreachable', text: 'does not answer DPS' };
  const flaw = accessFlaw(hub.record, link);
  return flaw === undefined ? undefined : { host, rule: 'hub-rights', text: `lets DPS do nothing: ${flaw}` };
}

/** The remedy for each obstacle. */
const REMEDIES: Record<Skipped['rule'], string> = {
  'hub-unlinked': "link the hub to DPS, or change the enrolment's iotHubs",
  'hub-taken-out': 'set applyAllocationPolicy to true and a weight of 1 to 1000 at the linked hub',
  'hub-deleted': "unlink the hub, make it again and link it, or change the enrolment's iotHubs",
  'hub-rights': 'link the hub again with the present key of a policy that has RegistryWrite and ServiceConnect',
  'hub-unreachable': 'bring the hub back, or let the enrolment name another one',
  'hub-full': 'link another hub, or delete devices that are no more',
};

/** The obstacle that is told first when there are several: what an operator broke comes before what is merely so. */
const ORDER = ['hub-rights', 'hub-deleted', 'hub-unreachable', 'hub-full', 'hub-taken-out', 'hub-unlinked'] as const;

/**
 * Why no hub is left.
 * @param who the enrolment, for people
 * @param links all linked hubs
 */
export function noHubReason(who: string, { skipped }: Survey, links: readonly LinkRecord[]): Reason {
  const others = links.map(({ host }) => host).filter((host) => !skipped.some((other) => other.host === host));
  const expected = others.length === 0 ? 'a linked hub that takes devices' : `a linked hub that takes devices, as ${others.join(', ')}`;
  const first = ORDER.flatMap((rule) => skipped.find((other) => other.rule === rule) ?? [])[0];
  if (first === undefined) {
    return {
      rule: 'no-hub',
      text: `no hub is linked to DPS, so ${who} has none to give`,
      seen: 'no linked hub',
      expected,
      nearest: 'any hub, once it is linked',
      remedy: 'link a hub',
    };
  }
  return {
    rule: first.rule,
    text: `no hub is left for ${who}: ${skippedWords(skipped)}`,
    seen: first.host,
    expected,
    nearest: others[0] ?? `${first.host}, once it can serve`,
    remedy: REMEDIES[first.rule],
    skipped,
  };
}

/** Hubs that were passed over, in one line for people. */
export function skippedWords(skipped: readonly Skipped[]): string {
  return skipped.map(({ host, text }) => `${host} ${text}`).join('; ');
}
