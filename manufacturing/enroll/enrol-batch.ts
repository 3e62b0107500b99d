import type { EnrolmentFile, EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { ManufacturingFault } from '../faults.js';
import { needsMechanism, policyDifferences, sameAttestation } from './compare.js';
import { Patience } from './patience.js';
import { BULK_MAX, type BulkProblem, type DpsService, type Shown } from './service.js';

/** Chunks under way at the same time: DPS throttles by the minute, and answers each in some tenths of a second. */
const IN_FLIGHT = 4;

/** What happened, or with a dry run would happen, to one enrolment. Nothing in it is secret. */
export type EnrolEvent =
  | { kind: 'group' | 'individual'; id: string; outcome: 'created' | 'unchanged' }
  /** `fields`: what DPS had otherwise. */
  | { kind: 'group' | 'individual'; id: string; outcome: 'updated'; fields: readonly string[] }
  | { kind: 'waiting'; seconds: number; why: string };

/** How to enrol; see {@link enrolBatch}. */
export interface EnrolOptions {
  service: DpsService;
  /** Only this enrolment group, and no individual enrolment. */
  group?: string | undefined;
  /** Reads and compares, and writes nothing. */
  dryRun?: boolean | undefined;
  clock: Clock;
  entropy: Entropy;
  signal?: AbortSignal | undefined;
  onEvent?: (event: EnrolEvent) => void;
  onProgress?: (done: number, total: number) => void;
}

/** How enrolling ended. */
export interface EnrolSummary {
  created: number;
  updated: number;
  unchanged: number;
}

/**
 * Brings the enrolments of a batch to a DPS service API: what is missing is created, what differs is updated, the rest is left alone. Run again
 * after it was cut off, it goes on from there: what DPS has is the only record of how far it came.
 * @throws ManufacturingFault DPS_REFUSED, DPS_UNREACHABLE, ENROLMENTS_UNREADABLE (no such group)
 */
export async function enrolBatch(file: EnrolmentFile, options: EnrolOptions): Promise<EnrolSummary> {
  const { group: only, signal, onProgress } = options;
  const groups = groupsNamed(file, only);
  const individuals = only === undefined ? file.enrollments : [];
  const enrolment = new Enrolment(options, groups.length + individuals.length);
  for (const group of groups) await enrolment.group(group);
  const chunks = chunksOf(individuals);
  const work = async (): Promise<void> => {
    for (const chunk of chunks) {
      signal?.throwIfAborted();
      await enrolment.individuals(chunk);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  onProgress?.(enrolment.done, enrolment.total);
  return enrolment.summary;
}

/**
 * The enrolment group of this name, in whatever case; without a name all of them.
 * @throws ManufacturingFault ENROLMENTS_UNREADABLE (no such group)
 */
export function groupsNamed({ enrollmentGroups }: EnrolmentFile, only: string | undefined): EnrolmentGroup[] {
  if (only === undefined) return enrollmentGroups;
  const groups = enrollmentGroups.filter(({ enrollmentGroupId: id }) => id.toLowerCase() === only.toLowerCase());
  if (groups.length > 0) return groups;
  throw new ManufacturingFault('ENROLMENTS_UNREADABLE', 'the batch has no such enrolment group', {
    seen: only,
    expected: enrollmentGroups.map(({ enrollmentGroupId }) => enrollmentGroupId).join(', ') || 'a batch with groups',
  });
}

class Enrolment {
  readonly summary: EnrolSummary = { created: 0, updated: 0, unchanged: 0 };
  readonly total: number;
  readonly #options: EnrolOptions;
  readonly #patience: Patience;

  constructor(options: EnrolOptions, total: number) {
    const { clock, entropy, signal, onEvent } = options;
    this.#options = options;
    this.total = total;
    this.#patience = new Patience({ clock, entropy, signal, onWait: (seconds, why) => onEvent?.({ kind: 'waiting', seconds, why }) });
  }

  get done(): number {
    const { created, updated, unchanged } = this.summary;
    return created + updated + unchanged;
  }

  async group(wanted: EnrolmentGroup): Promise<void> {
    const { service, dryRun } = this.#options;
    const id = wanted.enrollmentGroupId;
    const what = `enrolment group ${id}`;
    const shown = await this.#patience.call(what, () => service.group(id));
    const fields = shown === undefined ? undefined : await this.#differences('group', id, wanted, shown);
    if (fields === undefined || fields.length > 0) {
      const { etag: _, ...plain } = wanted;
      const body = shown?.etag === undefined ? plain : { ...plain, etag: shown.etag };
      if (dryRun !== true) await this.#patience.call(what, () => service.putGroup(body));
    }
    this.#tell('group', id, fields);
  }

  async individuals(chunk: IndividualEnrolment[]): Promise<void> {
    const taken = this.#options.dryRun === true ? chunk : await this.#create(chunk);
    const updates: { wanted: IndividualEnrolment; fields: readonly string[] }[] = [];
    for (const wanted of taken) {
      const { registrationId: id } = wanted;
      const shown = await this.#patience.call(`enrolment ${id}`, () => this.#options.service.individual(id));
      const fields = shown === undefined ? undefined : await this.#differences('individual', id, wanted, shown);
      if (fields !== undefined && fields.length > 0) updates.push({ wanted, fields });
      else this.#tell('individual', id, fields);
    }
    if (updates.length > 0 && this.#options.dryRun !== true) await this.#update(updates.map(({ wanted }) => wanted));
    for (const { wanted, fields } of updates) this.#tell('individual', wanted.registrationId, fields);
  }

  /** Creates what is not there. @returns what is there already */
  async #create(chunk: IndividualEnrolment[]): Promise<IndividualEnrolment[]> {
    const problems = await this.#bulk('create', chunk);
    const there = new Set<string>();
    for (const problem of problems) {
      if (Math.floor(problem.errorCode / 1000) !== 409) throw refusedItem(problem);
      there.add(problem.registrationId.toLowerCase());
    }
    for (const { registrationId } of chunk)
      if (!there.has(registrationId.toLowerCase())) this.#tell('individual', registrationId, undefined);
    return chunk.filter(({ registrationId }) => there.has(registrationId.toLowerCase()));
  }

  async #update(chunk: IndividualEnrolment[]): Promise<void> {
    const [first] = await this.#bulk('update', chunk);
    if (first !== undefined) throw refusedItem(first);
  }

  #bulk(mode: 'create' | 'update', chunk: IndividualEnrolment[]): Promise<BulkProblem[]> {
    const [first, last] = [chunk[0]?.registrationId, chunk.at(-1)?.registrationId];
    const plain = chunk.map(({ etag: _, ...enrolment }) => enrolment);
    return this.#patience.call(`enrolments ${first} to ${last}`, () => this.#options.service.bulk(mode, plain));
  }

  async #differences<T extends EnrolmentGroup | IndividualEnrolment>(
    kind: 'group' | 'individual',
    id: string,
    wanted: T,
    shown: Shown<T>,
  ): Promise<string[]> {
    const ask = () => this.#options.service.mechanism(kind, id);
    const attestation = needsMechanism(wanted.attestation) ? await this.#patience.call(`the attestation of ${id}`, ask) : shown.attestation;
    const fields = policyDifferences(wanted, shown);
    return sameAttestation(wanted.attestation, attestation) ? fields : ['attestation', ...fields];
  }

  /** @param fields what differed; none: it is as wanted; `undefined`: it was not there */
  #tell(kind: 'group' | 'individual', id: string, fields: readonly string[] | undefined): void {
    const { onEvent, onProgress } = this.#options;
    const outcome = fields === undefined ? 'created' : fields.length > 0 ? 'updated' : 'unchanged';
    this.summary[outcome]++;
    onEvent?.(outcome === 'updated' ? { kind, id, outcome, fields: fields ?? [] } : { kind, id, outcome });
    onProgress?.(this.done, this.total);
  }
}

function refusedItem({ registrationId, errorCode, errorStatus }: BulkProblem): ManufacturingFault {
  return new ManufacturingFault('DPS_REFUSED', `DPS refused (${errorCode})`, { where: `enrolment ${registrationId}`, seen: errorStatus });
}

function* chunksOf(individuals: readonly IndividualEnrolment[]): Generator<IndividualEnrolment[]> {
  for (let start = 0; start < individuals.length; start += BULK_MAX) yield individuals.slice(start, start + BULK_MAX);
}
