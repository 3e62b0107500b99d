import { join, resolve } from 'node:path';
import { ENROLMENT_FILE, type IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { type Authority, lineName, openAuthority, proveRoot, validityFrom } from './authority.js';
import { commonNameOf } from './certificates.js';
import { type CredentialSource, drawKeys } from './credentials.js';
import { enrolmentFile } from './enrol.js';
import { type Files, MODE, systemFiles, writePartsDurably } from './files.js';
import { openFlash } from './flash.js';
import { MANIFEST_FILE, manifestHead } from './manifest.js';
import { openManifestSigner } from './manifest-signer.js';
import { manifestLines } from './manifest-write.js';
import { prepareOut, refuseOccupied, usable, writeDocument } from './out-folder.js';
import { type BatchPlan, planBatch, type SpecWarning } from './plan.js';
import { type BatchSpec, DEFAULT_LEAF_DAYS, type GroupSpec } from './spec-schema.js';
import { type BurntDevice, burnDevice, type Station } from './station.js';

export { type BatchPlan, type PlannedDevice, planBatch, type SpecWarning } from './plan.js';

/** What happens while a batch is burnt; nothing in it is secret. */
export type BurnEvent =
  | { kind: 'planned'; devices: number }
  | { kind: 'warning'; warning: SpecWarning }
  /** `made`: the files that are new; none where an authority was used again. */
  | { kind: 'authority'; root: string; made: readonly string[] }
  | { kind: 'burnt'; registrationId: string; attestation: 'x509' | 'symmetric-key'; image: string; done: number; total: number }
  | { kind: 'failed'; registrationId: string; reason: string; done: number; total: number }
  | { kind: 'written'; file: string };

/** How to burn; see {@link burnBatch}. */
export interface BurnOptions {
  /** Folder of the batch; made where it is missing, and refused where it holds a batch. */
  out: string;
  clock: Clock;
  entropy: Entropy;
  /** File operations; {@link systemFiles} unless given. */
  files?: Files;
  onProgress?: (event: BurnEvent) => void;
  /** Ends the batch early: devices under way are finished, no other is begun. */
  signal?: AbortSignal;
}

/** How a batch ended. */
export interface BurnSummary {
  burnt: number;
  /** Devices that an earlier run had burnt. */
  skipped: number;
  failed: number;
  seconds: number;
  /** Absolute path of the folder. */
  out: string;
  failures: { registrationId: string; reason: string }[];
  /** Whether the signal ended it before every device had its turn. */
  aborted: boolean;
}

/** Devices under way at the same time: enough to keep the disk busy while another one's certificate is made. */
const IN_FLIGHT = 8;

/**
 * Burns a batch: images (0600) in `images/`, enrolments (0600) in `enrolments.json`, what was burnt in `manifest.jsonl`, and the authority in `ca/`
 * unless the spec names another folder. A device that fails is counted and leaves no image; the others go on.
 * @throws SpecFault, ManufacturingFault OUT_OCCUPIED and AUTHORITY_* before anything is written; OUT_UNUSABLE
 */
export async function burnBatch(spec: BatchSpec, options: BurnOptions): Promise<BurnSummary> {
  const { clock, entropy, signal, files = systemFiles, onProgress = () => {} } = options;
  const started = clock.monotonic();
  const out = resolve(options.out);
  const plan = planBatch(spec);
  await refuseOccupied(files, out);
  onProgress({ kind: 'planned', devices: plan.devices.length });
  for (const warning of plan.warnings) onProgress({ kind: 'warning', warning });

  const flash = await openFlash(spec, files);
  const authority = await openAuthorityOf(plan, out, { clock, entropy, files });
  if (authority !== undefined) onProgress({ kind: 'authority', root: commonNameOf(authority.root.certificate), made: authority.made });
  await prepareOut(files, out);
  const directory = authorityFolder(spec, out);
  const signer = await usable(directory, () =>
    openManifestSigner({ directory, batch: spec.batch, root: authority?.root, clock, entropy, files }),
  );
  const sources = new Map(spec.groups.map((group) => [group, sourceOf(group, authority, options)]));
  const certificates = authority === undefined ? [] : [await proveRoot(authority, options)];
  const enrol = (individuals: IndividualEnrolment[]) =>
    writeDocument(files, join(out, ENROLMENT_FILE), enrolmentFile(spec, { certificates, sources, individuals }), MODE.secret);
  // Before the first image: a group's keys exist nowhere else, and an image without its enrolment is lost.
  await enrol([]);

  const station = { out, idScope: spec.idScope, endpoint: spec.endpoint, files, entropy, flash };
  const { burnt, failures } = await burnDevices(plan, sources, station, onProgress, signal);
  const individuals = burnt.flatMap(({ enrolment }) => (enrolment === undefined ? [] : [enrolment]));
  if (individuals.length > 0) await enrol(individuals);
  onProgress({ kind: 'written', file: join(out, ENROLMENT_FILE) });
  const head = manifestHead({ spec, authority, madeAt: clock.now() });
  const entries = burnt.map((device) => device.manifest);
  await usable(out, () => writePartsDurably(files, join(out, MANIFEST_FILE), manifestLines(head, entries, signer), MODE.open));
  onProgress({ kind: 'written', file: join(out, MANIFEST_FILE) });

  const seconds = (clock.monotonic() - started) / 1000;
  const aborted = burnt.length + failures.length < plan.devices.length;
  return { burnt: burnt.length, skipped: 0, failed: failures.length, seconds, out, failures, aborted };
}

async function burnDevices(
  { devices }: BatchPlan,
  sources: ReadonlyMap<GroupSpec, CredentialSource>,
  station: Station,
  onProgress: (event: BurnEvent) => void,
  signal: AbortSignal | undefined,
): Promise<{ burnt: BurntDevice[]; failures: BurnSummary['failures'] }> {
  // Devices finish in any order; both lists keep that of the plan.
  const outcomes: (BurntDevice | string | undefined)[] = [];
  let done = 0;
  const queue = devices.entries();
  const work = async (): Promise<void> => {
    for (const [index, device] of queue) {
      if (signal?.aborted) return;
      const source = sources.get(device.group);
      const outcome = source === undefined ? 'its group is not in the spec' : await burnDevice(station, device, source).catch(reasonOf);
      outcomes[index] = outcome;
      const { registrationId, group } = device;
      const progress = { registrationId, done: ++done, total: devices.length };
      if (typeof outcome === 'string') onProgress({ kind: 'failed', reason: outcome, ...progress });
      else onProgress({ kind: 'burnt', attestation: group.attestation, image: outcome.manifest.image, ...progress });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));

  const burnt = outcomes.filter((outcome) => typeof outcome === 'object');
  const failures = devices.flatMap(({ registrationId }, index) => {
    const outcome = outcomes[index];
    return typeof outcome === 'string' ? [{ registrationId, reason: outcome }] : [];
  });
  return { burnt, failures };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function openAuthorityOf(
  plan: BatchPlan,
  out: string,
  { clock, entropy, files }: Required<Pick<BurnOptions, 'clock' | 'entropy' | 'files'>>,
): Promise<Authority | undefined> {
  const { batch, groups } = plan.spec;
  const certified = groups.filter((group) => group.attestation === 'x509');
  if (certified.length === 0) return undefined;
  const until = validityFrom(clock, Math.max(...certified.map(leafDays))).notAfter;
  const lines = [...new Set(certified.map((group) => lineName(group.enrolmentGroup)))];
  const directory = authorityFolder(plan.spec, out);
  return usable(directory, () => openAuthority({ directory, batch, lines, until, clock, entropy, files }));
}

function authorityFolder({ authority }: BatchSpec, out: string): string {
  return authority === undefined ? join(out, 'ca') : resolve(authority.directory);
}

function sourceOf(group: GroupSpec, authority: Authority | undefined, { clock, entropy }: BurnOptions): CredentialSource {
  const line = group.attestation === 'x509' ? authority?.lines.get(lineName(group.enrolmentGroup)) : undefined;
  if (authority !== undefined && line !== undefined) {
    return { kind: 'line', line, rootPem: authority.root.pem, validity: validityFrom(clock, leafDays(group), line.certificate) };
  }
  return group.enrolment === 'individual' ? { kind: 'own-keys' } : { kind: 'group-keys', keys: drawKeys(entropy) };
}

function leafDays(group: GroupSpec): number {
  return group.validity?.days ?? DEFAULT_LEAF_DAYS;
}
