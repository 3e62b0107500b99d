import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { commonName } from '@zerotouch/azure-wire/common-name';
import { ENROLMENT_FILE } from '@zerotouch/azure-wire/enrolment';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { type BatchSources, checkAuthority, fingerprintsOf, openSources, type SourcesRequest } from './batch-sources.js';
import { runLine } from './burn-line.js';
import type { Delivered, Demand } from './demand.js';
import { enrolmentOf, type IdentifiedDevice, type ManifestDocuments, writeEnrolments, writeManifest } from './documents.js';
import { enrolmentFile } from './enrol.js';
import { ManufacturingFault } from './faults.js';
import { type Files, systemFiles } from './files.js';
import { openFlash } from './flash.js';
import { type Author, LEDGER_FILE, type Ledger, openLedger } from './ledger/ledger.js';
import { type Processes, systemProcesses } from './ledger/sessions.js';
import type { StationBook } from './ledger/station-book.js';
import { readMacs } from './mac.js';
import { prepareOut, refuseOccupied, usable } from './out-folder.js';
import { type BatchPlan, planBatch, type SpecWarning } from './plan.js';
import { recordPlan } from './record-plan.js';
import { serverRootWarnings } from './server-roots.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';
import { imageProblem, type Station } from './station.js';
import { runWorkers, type WorkerOutcome } from './workers.js';

export { proveWithCode } from './authority.js';
export { issuerOf } from './certificates.js';
export { type BatchPlan, type PlannedDevice, planBatch, type SpecWarning } from './plan.js';

/** What happens while a batch is burnt; nothing in it is secret. */
export type BurnEvent =
  | { kind: 'planned'; devices: number }
  | { kind: 'warning'; warning: SpecWarning }
  /** `made`: the files that are new; none where an authority was used again. */
  | { kind: 'authority'; root: string; made: readonly string[] }
  | { kind: 'burnt'; registrationId: string; attestation: GroupSpec['attestation']; image: string; done: number; total: number }
  | { kind: 'failed'; registrationId: string; reason: string; done: number; total: number }
  | { kind: 'written'; file: string };

/** How to burn; see {@link burnBatch}. */
export interface BurnOptions {
  /** Folder of the batch; made where it is missing, and refused where it holds a batch that is not to be resumed. */
  out: string;
  clock: Clock;
  entropy: Entropy;
  /** File operations; {@link systemFiles} unless given. */
  files?: Files;
  /** Where devices are recorded; without it, `ledger.db` in the folder of the batch. */
  ledger?: Ledger;
  /** Passphrase of the CA keys (`authority.passphrase` in the spec), or the PIN of their token (`authority.token.pin`). Secret. */
  passphrase?: string | undefined;
  /** All secrets that the spec refers to, by their references (`env:LINE_PIN`): for levels whose keys are kept apart. */
  secrets?: Readonly<Record<string, string>> | undefined;
  /** Goes on with a batch that was begun, here or beside other stations; begins it where nobody did. */
  resume?: boolean;
  /**
   * Threads to burn in, 1 unless given. Several use the system's files, clock and entropy, whatever is handed in: the same entropy gives the
   * same batch in one thread only.
   */
  workers?: number;
  /** Who burns: the host's name unless given. */
  author?: Author;
  /** Which processes live: those of this machine unless given. */
  processes?: Processes;
  onProgress?: (event: BurnEvent) => void;
  /** Burns as it asks, in one thread; absent: all at once. */
  demand?: Demand;
  /** Ends the batch early: devices under way are finished, no other is begun. */
  signal?: AbortSignal;
}

/** How a batch ended. */
export interface BurnSummary {
  burnt: number;
  /** Devices that an earlier run or another station has burnt. */
  skipped: number;
  failed: number;
  seconds: number;
  /** Absolute path of the folder. */
  out: string;
  failures: { registrationId: string; reason: string }[];
  /** Whether it ended before every device had its turn: by the signal, or because too many failed in a row. */
  aborted: boolean;
}

const SESSION_BYTES = 16;
/** Between two looks whether another station has prepared the batch, or has written its documents. */
const LOOK_MS = 50;

/**
 * Burns a batch: images (0600) in `images/`, enrolments (0600) in `enrolments.json`, what was burnt in `manifest.jsonl`, and the authority in
 * `ca/` unless the spec names another folder. Every device is in the ledger before anything of it is on the disk. A device that fails is
 * counted and leaves no image; the others go on. Several processes may burn one batch in one folder, each with `resume`.
 * @throws SpecFault, ManufacturingFault OUT_OCCUPIED and AUTHORITY_* before anything is written; OUT_UNUSABLE, BATCH_DIFFERS, LEDGER_*, CLAIM_LOST
 */
export async function burnBatch(spec: BatchSpec, options: BurnOptions): Promise<BurnSummary> {
  const { clock, entropy, resume = false, files = systemFiles, onProgress = () => {} } = options;
  const started = clock.monotonic();
  const out = resolve(options.out);
  const plan = planBatch(spec);
  if (!resume) await refuseOccupied(files, out);
  const flash = await openFlash(spec, files);
  const rootWarnings = flash.serverRoots === undefined ? [] : serverRootWarnings(spec, flash.serverRoots, clock.now());
  const { passphrase, secrets } = options;
  const request = { spec, out, clock, entropy, files, passphrase, secrets };
  await checkAuthority(request);
  const macs = await readMacs(spec, files);
  await prepareOut(files, out);
  const ledger = options.ledger ?? (await usable(out, () => openLedger(`sqlite:${join(out, LEDGER_FILE)}`, { clock, files })));
  try {
    const session = entropy.bytes(SESSION_BYTES).toString('hex');
    await recordPlan(ledger, plan, session, request, resume, { macs, flash });
    onProgress({ kind: 'planned', devices: plan.total });
    for (const warning of [...plan.warnings, ...rootWarnings]) onProgress({ kind: 'warning', warning });
    const { author = { station: hostname() }, processes = systemProcesses } = options;
    const book = ledger.station({ batch: spec.batch, session, author, processes });
    await book.open();
    try {
      const sources = await prepare(book, ledger, request);
      const { authority } = sources;
      for (const top of authority?.tops ?? [])
        onProgress({ kind: 'authority', root: commonName(top.certificate) ?? '', made: authority?.made ?? [] });
      for (const warning of sources.warnings) onProgress({ kind: 'warning', warning });
      const { idScope, endpoint } = spec;
      const { individualSecret } = sources;
      const station = { out, idScope, endpoint, files, entropy, flash, individualSecret, held: () => book.held };
      const counts = await burnAll({ plan, ledger, book, station, sources, author, options, onProgress });
      const written = await finish(book, { spec, out, sources, ledger, clock, files, layout: flash.layout });
      for (const file of written) onProgress({ kind: 'written', file });
      return { ...counts, seconds: (clock.monotonic() - started) / 1000, out };
    } finally {
      // A ledger that does not answer finds out by itself that this station is gone.
      await book.close().catch(() => {});
    }
  } finally {
    if (options.ledger === undefined) await ledger.close();
  }
}

/** Opens the sources; of several stations one makes them, and the others find them made. */
async function prepare(book: StationBook, ledger: Ledger, request: SourcesRequest): Promise<BatchSources> {
  const { spec, out, clock, files } = request;
  for (;;) {
    const known = await ledger.batch(spec.batch);
    if (known !== undefined && known.state !== 'preparing') {
      if ((await usable(out, () => files.read(join(out, ENROLMENT_FILE)))) === undefined) throw elsewhere(out, ledger);
      const sources = await openSources(request);
      if (!isDeepStrictEqual(fingerprintsOf(sources), known.sources)) throw differentSources(out, ledger);
      return sources;
    }
    if ((await book.lock()) === 'preparing') {
      const sources = await openSources(request);
      // Before the first image: a group's keys exist nowhere else, and an image without its enrolment is lost.
      await writeEnrolments({ ...request, sources });
      await book.unlock({ state: 'ready', sources: fingerprintsOf(sources) });
      return sources;
    }
    await clock.wait(LOOK_MS);
  }
}

interface Burning {
  plan: BatchPlan;
  ledger: Ledger;
  book: StationBook;
  station: Station;
  sources: BatchSources;
  author: Author;
  options: BurnOptions;
  onProgress: (event: BurnEvent) => void;
}

async function burnAll(burning: Burning): Promise<Omit<BurnSummary, 'seconds' | 'out'>> {
  const { plan, ledger, book, station, sources, author, options, onProgress } = burning;
  const { spec, total } = plan;
  const { demand } = options;
  const failures: BurnSummary['failures'] = [];
  const kept: Delivered[] = [];
  let burnt = 0;
  let before = 0;
  // What an earlier run burnt is looked at again: it may have been removed or damaged since.
  for await (const device of ledger.devices(spec.batch, { states: ['burnt', 'verified'] })) {
    const { registrationId, identity } = device;
    const reason = identity === undefined ? 'the ledger has no identity for it' : await imageProblem(station, registrationId, identity);
    before++;
    if (reason === undefined) {
      if (demand !== undefined) kept.push(deliveredOf(spec, sources, device));
      continue;
    }
    failures.push({ registrationId, reason });
    onProgress({ kind: 'failed', registrationId, reason, done: before, total });
  }
  const damaged = failures.length;
  const onOutcome = ({ registrationId, attestation, ...end }: WorkerOutcome): void => {
    const failed = 'reason' in end;
    if (failed) failures.push({ registrationId, reason: end.reason });
    else burnt++;
    const progress = { registrationId, done: before + burnt + failures.length - damaged, total };
    if (failed) onProgress({ kind: 'failed', reason: end.reason, ...progress });
    else onProgress({ kind: 'burnt', attestation, image: end.image, ...progress });
  };
  const { workers = 1, signal, clock, passphrase, secrets } = options;
  await demand?.begin(enrolmentFile(spec, { ...sources, individuals: [] }), kept);
  if (workers > 1 && demand === undefined) {
    const order = { spec, out: station.out, address: ledger.address, author, passphrase, secrets };
    await runWorkers(order, { workers, signal, onOutcome });
  } else {
    await runLine({
      spec,
      sources: sources.sources,
      station,
      book,
      clock,
      signal,
      demand: demand && {
        more: (most) => demand.more(most),
        delivered: (devices) => demand.delivered(devices.map((device) => deliveredOf(spec, sources, device))),
      },
      onOutcome: ({ device, ...end }) =>
        onOutcome({ ...end, registrationId: device.registrationId, attestation: device.group.attestation }),
    });
  }
  const { planned = 0, issued = 0, scrapped = 0 } = await ledger.counts(spec.batch);
  const left = planned + issued;
  const skipped = total - left - scrapped - burnt - damaged;
  return { burnt, skipped, failed: failures.length, failures, aborted: left > failures.length - damaged };
}

function deliveredOf(spec: BatchSpec, sources: BatchSources, device: IdentifiedDevice): Delivered {
  const { registrationId } = device;
  const enrolment = enrolmentOf(spec, sources, device);
  return enrolment === undefined ? { registrationId } : { registrationId, enrolment };
}

/** Writes the documents of the batch from the ledger; what other stations have burnt is in them. */
async function finish(book: StationBook, documents: ManifestDocuments): Promise<string[]> {
  for (let state = await book.lock(); ; state = await book.lock()) {
    if (state === undefined) {
      await documents.clock.wait(LOOK_MS);
      continue;
    }
    if (state === 'complete') {
      await book.unlock(undefined);
      return [];
    }
    const written = [await writeEnrolments(documents), await writeManifest(documents)];
    const { left } = await book.unburnt();
    await book.unlock(left === 0 ? { state: 'complete' } : undefined);
    return written;
  }
}

function elsewhere(out: string, ledger: Ledger): ManufacturingFault {
  return new ManufacturingFault('BATCH_DIFFERS', 'the batch was begun in another folder', {
    where: out,
    expected: `${ENROLMENT_FILE} of the batch that ${ledger.where} has`,
    remedy: 'burn in the folder it was begun in; stations of one batch share it',
  });
}

function differentSources(out: string, ledger: Ledger): ManufacturingFault {
  return new ManufacturingFault('BATCH_DIFFERS', 'the authority or the keys are not those the batch was begun with', {
    where: out,
    expected: `what ${ledger.where} has fingerprints of`,
    remedy: 'put ca/ and enrolments.json back as they were when the batch was begun',
  });
}
