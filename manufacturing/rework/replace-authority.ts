import { resolve } from 'node:path';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { lineName } from '../authority.js';
import { type AuthorityLevel, authorityLevels, authorityStem, DEFAULT_LEVELS } from '../authority-levels.js';
import { authorityFolder, fingerprintsOf, openSources } from '../batch-sources.js';
import { type CustodySecrets, checkSecrets, openCustody } from '../custody.js';
import { writeEnrolments } from '../documents.js';
import { ManufacturingFault } from '../faults.js';
import { type Files, systemFiles } from '../files.js';
import type { Author, BatchRecord, DeviceState, EventRecord, Ledger } from '../ledger/ledger.js';
import { type Processes, systemProcesses } from '../ledger/sessions.js';
import type { StationBook } from '../ledger/station-book.js';
import { SIGNER_STEM } from '../manifest-signer.js';
import type { BatchSpec, GroupSpec } from '../spec-schema.js';
import { type KeptCa, moveAside } from './replaced-files.js';

/** What to replace; see {@link replaceAuthority}. */
export interface ReplaceOptions extends CustodySecrets {
  spec: BatchSpec;
  /** Folder of the batch. */
  out: string;
  ledger: Ledger;
  /** The CA that leaked; those below it are replaced with it. */
  level: AuthorityLevel;
  /** The enrolment group whose CA it is; every X.509 group of the batch unless given. */
  group?: string | undefined;
  /** Kept in the ledger. */
  reason: string;
  author: Author;
  clock: Clock;
  entropy: Entropy;
  files?: Files;
  processes?: Processes;
  /** Told after each device that is to be burnt again. */
  onRetired?: (registrationId: string, retired: number) => void;
}

/** How a replacement ended. */
export interface Replacement {
  /** SHA-256 of the CAs that were given up. */
  replaced: readonly string[];
  /** Files of the new ones; none where another batch has made them. */
  made: readonly string[];
  /** Devices that the next burn gives another certificate. */
  retired: number;
  /** Devices under the old CA that have left the factory: DPS refuses them from now on. */
  fielded: number;
  /** Devices that came back or are in quarantine: they keep their images, until somebody decides. */
  held: number;
}

/** States from which a device is burnt again by itself. What came back, or is in quarantine, must not find its way out like that. */
const BURNT_AGAIN: readonly DeviceState[] = ['burnt', 'verified'];

/**
 * Gives up a CA of a batch, and those below it, for new ones: the old files go to `replaced/`, new CAs are made, the enrolments name them, and every
 * device that was not shipped is to be burnt again (`burn --resume` does). Recorded in the ledger before and after; cut off in the middle,
 * the same again goes on from there. Another batch under the same CA finds the new one when the same is done for it.
 * @throws ManufacturingFault LEDGER_UNKNOWN, LEDGER_STATE (stations are at work), AUTHORITY_*
 */
export async function replaceAuthority(options: ReplaceOptions): Promise<Replacement> {
  const { spec, ledger, entropy, author, processes = systemProcesses } = options;
  checkSecrets(spec.authority, options);
  const groups = groupsOf(options);
  const record = await ledger.batch(spec.batch);
  if (record?.sources === undefined) throw unknownBatch(ledger, spec.batch);
  const session = entropy.bytes(16).toString('hex');
  const book = ledger.station({ batch: spec.batch, session, author, processes });
  await book.open();
  try {
    await holdBatch(book);
    const begun = await unfinished(ledger, options);
    const replaced = begun ?? fingerprintsUnder(options, groups, record);
    if (begun === undefined) await ledger.record(eventOf(options, 'authority-replacing', { replaced }), author);
    return await replace(options, groups, replaced);
  } finally {
    await book.close().catch(() => {});
  }
}

async function replace(options: ReplaceOptions, groups: readonly GroupSpec[], replaced: readonly string[]): Promise<Replacement> {
  const { spec, ledger, reason, author, clock, entropy, files = systemFiles, passphrase, secrets } = options;
  const out = resolve(options.out);
  await moveAside(authorityFolder(spec, out), casUnder(options, groups), replaced, files, await openCustody(spec.authority, options));
  const sources = await openSources({ spec, out, clock, entropy, files, passphrase, secrets });
  let retired = 0;
  let fielded = 0;
  let held = 0;
  const names = new Set(groups.map(({ enrolmentGroup }) => enrolmentGroup));
  for await (const device of ledger.devices(spec.batch, { states: [...BURNT_AGAIN, 'shipped', 'quarantined', 'returned'] })) {
    const { registrationId, enrolmentGroup, attestation, state } = device;
    if (attestation !== 'x509' || !names.has(enrolmentGroup)) continue;
    if (state === 'shipped') fielded++;
    else if (!BURNT_AGAIN.includes(state)) held++;
    else {
      await ledger.transition(registrationId, 'planned', reason, author);
      retired++;
      options.onRetired?.(registrationId, retired);
    }
  }
  await writeEnrolments({ spec, out, sources, files, clock, ledger });
  const fingerprints = fingerprintsOf(sources);
  await ledger.replaceSources(
    spec.batch,
    fingerprints,
    eventOf(options, 'authority-replaced', { replaced, fingerprints, retired, fielded, held }),
    author,
  );
  return { replaced, made: sources.authority?.made ?? [], retired, fielded, held };
}

function groupsOf({ spec, group, level }: ReplaceOptions): GroupSpec[] {
  const { levels = DEFAULT_LEVELS } = spec.authority ?? {};
  const certified = spec.groups.filter(({ attestation }) => attestation === 'x509');
  const chosen =
    group === undefined || level === 'root'
      ? certified
      : certified.filter(({ enrolmentGroup = '' }) => enrolmentGroup.toLowerCase() === group.toLowerCase());
  if (chosen.length > 0 && levels.includes(level)) return chosen;
  throw new ManufacturingFault('LEDGER_UNKNOWN', 'the batch has no such CA', {
    where: spec.batch,
    seen: group === undefined ? level : `${level} of group ${group}`,
    expected: `${levels.join(', ')}; groups ${certified.map(({ enrolmentGroup }) => enrolmentGroup ?? '(individual)').join(', ') || 'none with certificates'}`,
  });
}

/** The CAs of a level and below, as their files are called; with the root goes whoever signs manifests under it. */
function casUnder({ spec, level }: ReplaceOptions, groups: readonly GroupSpec[]): KeptCa[] {
  const { levels = DEFAULT_LEVELS } = spec.authority ?? {};
  const affected = levels.filter((one) => authorityLevels.indexOf(one) >= authorityLevels.indexOf(level));
  const cas = affected.flatMap((one) =>
    groups.map(({ enrolmentGroup }) => ({ level: one, stem: authorityStem(one, lineName(enrolmentGroup), spec.batch) })),
  );
  const distinct = [...new Map(cas.map((ca) => [ca.stem, ca])).values()];
  const signer = level === 'root' ? [{ level: undefined, stem: SIGNER_STEM }] : [];
  // From the bottom up: what is left of an interrupted move never lacks its issuer.
  return [...signer, ...distinct.reverse()];
}

/** What the ledger has of the CAs of a level and below: it says what was replaced, whatever is in the folder by now. */
function fingerprintsUnder({ level }: ReplaceOptions, groups: readonly GroupSpec[], { sources = {} }: BatchRecord): string[] {
  const names = groups.flatMap(({ enrolmentGroup = '' }) => [
    ...(level === 'root' ? ['root'] : []),
    ...(level === 'batch' ? [] : [`line ${enrolmentGroup}`.trim()]),
    `group ${enrolmentGroup}`.trim(),
  ]);
  return [...new Set(names.flatMap((name) => sources[name] ?? []))];
}

/** The fingerprints of a replacement that was begun and not ended; `undefined` where there is none. */
async function unfinished(ledger: Ledger, { spec, level, group = '' }: ReplaceOptions): Promise<string[] | undefined> {
  let begun: string[] | undefined;
  for (const { kind, subject, detail } of await ledger.events(spec.batch)) {
    if (kind !== 'authority-replacing' && kind !== 'authority-replaced') continue;
    if (detail.level !== level || subject !== group) continue;
    begun = kind === 'authority-replacing' && Array.isArray(detail.replaced) ? detail.replaced.map(String) : undefined;
  }
  return begun;
}

function eventOf(
  { spec, level, group = '', reason }: ReplaceOptions,
  kind: EventRecord['kind'],
  detail: Record<string, unknown>,
): Omit<EventRecord, 'at' | 'station' | 'operator'> {
  return { batch: spec.batch, kind, subject: group, detail: { level, ...detail }, reason };
}

/** Stations that burn hold the old CA in memory. */
async function holdBatch(book: StationBook): Promise<void> {
  const { elsewhere } = await book.unburnt();
  if (elsewhere === 0 && (await book.lock()) !== undefined) return;
  throw new ManufacturingFault('LEDGER_STATE', 'stations are at work on the batch', {
    seen: elsewhere === 0 ? 'its lock is taken' : `${elsewhere} devices in hand`,
    expected: 'nobody: they hold the old CA',
    remedy: 'stop them (Ctrl-C), then try again',
  });
}

function unknownBatch(ledger: Ledger, batch: string): ManufacturingFault {
  return new ManufacturingFault('LEDGER_UNKNOWN', 'the ledger has no such batch, or it was never prepared', {
    where: ledger.where,
    seen: batch,
    expected: 'a batch that was burnt',
  });
}
