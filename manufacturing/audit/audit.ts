import { X509Certificate } from 'node:crypto';
import { dirname, join } from 'node:path';
import { ENROLMENT_FILE, type EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Layout } from '@zerotouch/flash-image/layout';
import type { Clock } from '@zerotouch/foundation/clock';
import { isFault } from '@zerotouch/foundation/fault';
import { readEnrolled } from '../enrol-certificate.js';
import { parseEnrolments } from '../enrol-file.js';
import { ManufacturingFault } from '../faults.js';
import { systemFiles } from '../files.js';
import { type FlashPlan, openFlash } from '../flash.js';
import type { Ledger } from '../ledger/ledger.js';
import { MANIFEST_FILE } from '../manifest.js';
import { readManifest } from '../manifest-read.js';
import type { ManifestHead } from '../manifest-record.js';
import { SIGNER_FILES } from '../manifest-signer.js';
import { IMAGE_FOLDER } from '../out-folder.js';
import { type BatchEvents, eventsOf } from '../rework/events.js';
import type { BatchSpec } from '../spec-schema.js';
import { checkEnrolments } from './check-batch.js';
import { EnrolmentIndex } from './check-enrolment.js';
import { checkMode } from './check-flash.js';
import { checkLedger, ledgerOf } from './check-ledger.js';
import type { DeviceRecord } from './check-manifest.js';
import type { AuditContext } from './context.js';
import { type Finding, type Tell, tellInto } from './findings.js';
import { auditImage, type Company } from './image-audit.js';
import { imagesAmong, linesOf, modeOf, namesIn, readImage, readOpened, secretsAmong, sourceAt } from './sources.js';
import { SpecIndex } from './spec-index.js';
import { Uniques } from './uniques.js';

export { FINDINGS, type Finding, type FindingCode, type Severity } from './findings.js';

/** Days before its end from which a certificate is told, unless asked otherwise. */
export const DEFAULT_HORIZON_DAYS = 90;

/** What to audit; see {@link audit}. */
export interface AuditOptions {
  /** Images, folders of them, folders of batches. */
  paths: readonly string[];
  /** What the images were burnt from. */
  spec?: BatchSpec | undefined;
  /** A manifest that is not in the folder of its batch. */
  manifest?: string | undefined;
  /** The certificate that must vouch for manifests; without it the one in the authority's folder. */
  root?: string | undefined;
  /** The ledger of the batches, where it is not in their folders: `sqlite:PATH` or `postgres://`. Secret. */
  ledger?: string | undefined;
  life?: 'shipped' | 'fielded' | undefined;
  horizonDays?: number | undefined;
  clock: Clock;
  onFinding: (finding: Finding) => void;
  /** How many images were looked into. */
  onImage?: (done: number) => void;
  signal?: AbortSignal | undefined;
}

/** How an audit ended. */
export interface AuditSummary {
  images: number;
  errors: number;
  warnings: number;
}

/**
 * Audits images and batches: tells everything that is wrong with each by itself, with its batch, and among all of them. Writes nothing. Images are
 * read one after the other; what is kept of each is hashes.
 * @throws ManufacturingFault AUDIT_PATH, SPEC_INVALID, LEDGER_* for a ledger that was named; never for what is in an image, a manifest or an enrolment file
 */
export async function audit(options: AuditOptions): Promise<AuditSummary> {
  const run = new Audit(options, options.spec === undefined ? undefined : await openFlash(options.spec, systemFiles));
  for (const path of options.paths) {
    const source = await sourceAt(path);
    if (source.kind === 'batch') await run.batch(source.folder);
    else await run.images(source.paths);
  }
  run.end();
  return run.summary;
}

class Audit {
  readonly summary: AuditSummary = { images: 0, errors: 0, warnings: 0 };
  readonly #options: AuditOptions;
  readonly #uniques = new Uniques();
  readonly #spec: SpecIndex | undefined;
  readonly #layout: Layout | undefined;
  /** Whether a whole batch was among the paths, so that what the spec plans must be there. */
  #whole = false;
  /** What the manifest that was named says. */
  #partitionTable: string | undefined;
  #records: Promise<(id: string) => DeviceRecord | null> | undefined;

  constructor(options: AuditOptions, flash: FlashPlan | undefined) {
    this.#options = options;
    this.#layout = flash?.layout;
    this.#spec = options.spec === undefined ? undefined : new SpecIndex(options.spec, flash?.serverRoots);
  }

  async images(paths: readonly string[]): Promise<void> {
    const recordOf = await this.#recordsOfOption();
    for (const path of paths) await this.#image(path, path, this.#context(), { recordOf, partitionTable: this.#partitionTable });
  }

  async batch(folder: string): Promise<void> {
    this.#whole = true;
    const enrolments = await this.#enrolments(folder);
    const context = this.#context(enrolments);
    const intermediates = await this.#intermediates(folder);
    this.#tell((tell) => enrolments !== undefined && checkEnrolments(enrolments, context, intermediates, tell));
    await this.#secrets(folder);
    const company: Company = { enrolments: enrolments === undefined ? undefined : new EnrolmentIndex(enrolments) };
    const images = join(folder, IMAGE_FOLDER);
    const left = new Set(imagesAmong(await namesIn(images)).map((name) => `${IMAGE_FOLDER}/${name}`));
    const manifest = this.#options.manifest ?? join(folder, MANIFEST_FILE);
    const signed = (await modeOf(manifest)) !== undefined;
    if (!signed) this.#tell((tell) => tell('MANIFEST_MISSING', folder));
    const openedBy: Finding[] = [];
    const ledger = await ledgerOf(folder, this.#options.ledger, this.#options.clock, tellInto(openedBy, null));
    for (const finding of openedBy) this.#count(finding);
    let said: BatchEvents | undefined;
    await using _closing = { [Symbol.asyncDispose]: async () => ledger?.close() };
    const onHead = ({ partitionTable }: ManifestHead): void => {
      company.partitionTable = partitionTable;
    };
    for await (const record of signed ? this.#manifest(manifest, folder, onHead) : []) {
      left.delete(record.image);
      if (ledger !== undefined) {
        said ??= await eventsOf(ledger, (await ledger.device(record.registrationId))?.batch);
        await this.#ledger(ledger, record, said.revoked);
      }
      await this.#image(join(folder, record.image), record.image, context, { ...company, record, replaced: said?.replaced });
    }
    for (const name of left) {
      await this.#image(join(folder, name), name, context, signed ? { ...company, recordOf: () => null } : company);
    }
  }

  end(): void {
    if (!this.#whole) return;
    this.#tell((tell) => {
      for (const { registrationId } of this.#spec?.missing() ?? []) tell('IMAGE_MISSING', 'spec', registrationId);
    });
  }

  async #image(path: string, name: string, context: AuditContext, company: Company): Promise<void> {
    this.#options.signal?.throwIfAborted();
    const file = await readImage(path);
    if (file === undefined) {
      this.#tell((tell) => tell('IMAGE_MISSING', name), name);
      return;
    }
    this.summary.images++;
    const found = auditImage({ ...file, path }, context, { ...company, layout: this.#layout, spec: this.#spec, uniques: this.#uniques });
    for (const finding of found) this.#count(finding);
    this.#options.onImage?.(this.summary.images);
  }

  async #ledger(ledger: Ledger, record: DeviceRecord, revoked: ReadonlySet<string>): Promise<void> {
    const findings: Finding[] = [];
    await checkLedger(ledger, record, revoked, tellInto(findings, null));
    for (const finding of findings) this.#count(finding);
  }

  /** The devices of a manifest; everything that is wrong with it is told. */
  async *#manifest(path: string, folder: string, onHead: (head: ManifestHead) => void): AsyncGenerator<DeviceRecord> {
    const trust = await this.#trust(folder);
    if (trust === undefined) this.#tell((tell) => tell('MANIFEST_UNVOUCHED', path));
    for await (const { line, record, problems } of readManifest(linesOf(path), trust)) {
      this.#tell((tell) => {
        for (const { code, summary } of problems) tell(code, `${path}, line ${line}`, summary);
      });
      if (record?.type === 'batch') onHead(record);
      if (record?.type !== 'device') continue;
      if (/^images\/[^/\\]+\.bin$/.test(record.image)) yield record;
      else this.#tell((tell) => tell('MANIFEST_UNREADABLE', `${path}, line ${line}`, 'the image lies outside of the batch'));
    }
  }

  #recordsOfOption(): Promise<Company['recordOf']> | undefined {
    const { manifest } = this.#options;
    if (manifest === undefined) return undefined;
    this.#records ??= (async () => {
      const records = new Map<string, DeviceRecord>();
      if ((await modeOf(manifest)) === undefined)
        throw new ManufacturingFault('AUDIT_PATH', 'there is no such manifest', { where: manifest });
      const onHead = ({ partitionTable }: ManifestHead): void => {
        this.#partitionTable = partitionTable;
      };
      for await (const record of this.#manifest(manifest, dirname(manifest), onHead))
        records.set(canonicalRegistrationId(record.registrationId), record);
      return (id: string) => records.get(canonicalRegistrationId(id)) ?? null;
    })();
    return this.#records;
  }

  /** The CAs of the authority's folder: an enrolment may be for one that stands several below the root. */
  async #intermediates(folder: string): Promise<X509Certificate[]> {
    const authority = this.#options.spec?.authority?.directory ?? join(folder, 'ca');
    const found: X509Certificate[] = [];
    for (const name of (await namesIn(authority)).filter((one) => one.endsWith('.pem'))) {
      const certificate = readEnrolled({ certificate: (await readOpened(join(authority, name)))?.bytes.toString('latin1') ?? '' });
      if (certificate?.ca) found.push(certificate);
    }
    return found;
  }

  /** The certificate that vouches for a manifest: as named, or as the authority's folder has it. */
  async #trust(folder: string): Promise<X509Certificate | undefined> {
    const { root, spec } = this.#options;
    const authority = spec?.authority?.directory ?? join(folder, 'ca');
    const paths = root === undefined ? ['root.pem', SIGNER_FILES.certificate].map((name) => join(authority, name)) : [root];
    for (const path of paths) {
      const file = await readOpened(path);
      if (file === undefined) continue;
      try {
        return new X509Certificate(file.bytes);
      } catch (cause) {
        throw new ManufacturingFault('AUDIT_PATH', 'the root certificate cannot be read', {
          where: path,
          expected: 'a certificate in PEM',
          cause,
        });
      }
    }
    if (root === undefined) return undefined;
    throw new ManufacturingFault('AUDIT_PATH', 'there is no such root certificate', { where: root });
  }

  async #enrolments(folder: string): Promise<EnrolmentFile | undefined> {
    const path = join(folder, ENROLMENT_FILE);
    const file = await readOpened(path);
    if (file === undefined) return undefined;
    this.#tell((tell) => checkMode(file.mode, path, tell));
    try {
      return parseEnrolments(file.bytes.toString('utf8'), path);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#tell((tell) => tell('ENROLMENTS_UNREADABLE', path, error.message));
      return undefined;
    }
  }

  async #secrets(folder: string): Promise<void> {
    for (const part of ['ca', IMAGE_FOLDER]) {
      for (const name of secretsAmong(await namesIn(join(folder, part)))) {
        const mode = await modeOf(join(folder, part, name));
        this.#tell((tell) => checkMode(mode ?? 0, `${part}/${name}`, tell));
      }
    }
  }

  #context(enrolments?: EnrolmentFile): AuditContext {
    const { clock, spec, life, horizonDays = DEFAULT_HORIZON_DAYS } = this.#options;
    return { now: clock.now(), horizon: horizonDays * 86_400_000, life, spec, enrolments, batch: spec?.batch ?? enrolments?.batch };
  }

  #tell(check: (tell: Tell) => unknown, image: string | null = null): void {
    const findings: Finding[] = [];
    check(tellInto(findings, image));
    for (const finding of findings) this.#count(finding);
  }

  #count(finding: Finding): void {
    this.summary[finding.severity === 'error' ? 'errors' : 'warnings']++;
    this.#options.onFinding(finding);
  }
}
