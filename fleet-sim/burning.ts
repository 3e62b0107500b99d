import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { type BurnEvent, type BurnSummary, burnBatch, planBatch } from '@zerotouch/manufacturing/batch';
import type { Delivered, Demand } from '@zerotouch/manufacturing/demand';
import { imageName } from '@zerotouch/manufacturing/out-folder';
import { devicesIn } from '@zerotouch/manufacturing/plan';
import { type BatchSpec, parseSpec } from '@zerotouch/manufacturing/spec';
import { FleetFault } from './faults.js';
import type { ShardHandle } from './shard-handle.js';
import type { FleetSpec } from './spec.js';

/** What a fleet that burns its images as it goes takes besides its spec. */
export interface BurnParts {
  /** Secrets of the CA keys, by the references in the batch spec. */
  readonly secrets?: Readonly<Record<string, string>>;
  /**
   * Brings enrolments to DPS: first those of groups, with the CA certificates, then those of single devices as they are burnt; no device is
   * powered on before it resolves. Absent: DPS knows them by itself.
   */
  readonly enrol?: (file: EnrolmentFile) => Promise<unknown>;
  readonly onEvent?: (event: BurnEvent) => void;
}

/** Tells who has asked for images what became of them. */
export interface ImageNews {
  readonly burnt: (images: readonly string[]) => void;
  readonly failed: (image: string, reason: string) => void;
}

/** The batch that a fleet burns. @throws FleetFault BATCH_UNREADABLE; SpecFault */
export async function readFleetBatch(burn: NonNullable<FleetSpec['burn']>): Promise<BatchSpec> {
  const text = await readFile(burn.spec, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new FleetFault('BATCH_UNREADABLE', `the batch spec cannot be read (${cause.code})`, {
      where: burn.spec,
      expected: 'what zerotouch burn takes, as burn.spec of the fleet names it',
      cause,
    });
  });
  return parseSpec(text, burn.spec);
}

/** The images that a batch will have, in the order in which they are burnt. @throws SpecFault; FleetFault IMAGES_MISSING */
export function plannedImages(batch: BatchSpec, { images, devices }: FleetSpec): string[] {
  const { total } = planBatch(batch);
  if (devices !== undefined && devices > total) {
    throw new FleetFault('IMAGES_MISSING', 'the batch has fewer devices than the fleet', {
      where: batch.batch,
      seen: total,
      expected: `${devices}, as the spec says in devices`,
      remedy: 'raise serial.count of the batch, or say fewer',
    });
  }
  const planned: string[] = [];
  for (const { registrationId } of devicesIn(batch)) {
    if (planned.length === (devices ?? total)) break;
    planned.push(join(images, imageName(registrationId)));
  }
  return planned;
}

/** What a fleet burnt. */
export interface BurnFigures {
  readonly burnt: number;
  /** Burnt by an earlier run. */
  readonly kept: number;
  readonly failed: number;
  /** Folder of the batch. */
  readonly out: string;
}

/** A batch that is being burnt for a fleet. */
export interface FleetBurn {
  /** Rejects when it cannot go on. */
  readonly failure: Promise<never>;
  /** Burns no more; resolves when the batch is closed, with its documents written. @throws what ended it */
  end(): Promise<BurnFigures>;
}

/**
 * Opens a batch and burns what the processes of a fleet wait for.
 * @throws what keeps the batch from being burnt; nothing of it is under way then
 */
export async function burnFor(
  batch: BatchSpec,
  {
    images,
    devices,
    shards,
    out,
    parts,
  }: {
    /** In the order of the plan. */
    images: readonly string[];
    devices: readonly { image: string }[];
    shards: readonly Pick<ShardHandle, 'tell' | 'onWants'>[];
    out: string;
    parts: BurnParts;
  },
): Promise<FleetBurn> {
  const whose = new Map(devices.map(({ image }, index) => [image, shards[index % shards.length]]));
  const burning = new Burning(images, out, parts, {
    burnt(ready) {
      for (const shard of shards) {
        const own = ready.filter((image) => whose.get(image) === shard);
        if (own.length > 0) shard.tell({ kind: 'burnt', images: own });
      }
    },
    failed: (image, reason) => whose.get(image)?.tell({ kind: 'unburnt', image, reason }),
  });
  for (const shard of shards) shard.onWants = (wanted) => burning.want(wanted);
  const { ended } = await burning.open(batch);
  const failure = ended.then(() => new Promise<never>(() => undefined));
  failure.catch(() => undefined);
  return {
    failure,
    end: async () => {
      burning.stop();
      const { burnt, skipped, failed } = await ended;
      return { burnt, kept: skipped, failed, out };
    },
  };
}

/** Burns the images of a fleet in the order of its plan, none before a device waits for it. */
export class Burning implements Demand {
  readonly #images: readonly string[];
  readonly #out: string;
  readonly #parts: BurnParts;
  readonly #news: ImageNews;
  readonly #stop = new AbortController();
  readonly #outcomes = new Map<string, 'burnt' | { reason: string }>();
  readonly #wanted = new Set<string>();
  readonly #waiting: (() => void)[] = [];
  /** Places of the images that an earlier run has not burnt, in order. */
  #places = new Map<string, number>();
  #head: EnrolmentFile | undefined;
  #begun: () => void = () => undefined;
  /** Why DPS did not take an enrolment. */
  #failure: { error: unknown } | undefined;
  #needed = 0;
  #given = 0;
  #over = false;

  constructor(images: readonly string[], out: string, parts: BurnParts, news: ImageNews) {
    this.#images = images;
    this.#out = out;
    this.#parts = parts;
    this.#news = news;
  }

  /**
   * Opens the batch, or goes on with what an earlier run began.
   * @returns when all is ready to burn; `ended` resolves when the batch is closed, with its documents written
   * @throws SpecFault; ManufacturingFault of burnBatch; what enrolling throws
   */
  async open(batch: BatchSpec): Promise<{ ended: Promise<BurnSummary> }> {
    const begun = new Promise<void>((resolve) => {
      this.#begun = resolve;
    });
    const { secrets, onEvent } = this.#parts;
    const ended = burnBatch(batch, {
      out: this.#out,
      resume: true,
      clock: systemClock,
      entropy: systemEntropy,
      ...(secrets === undefined ? {} : { secrets }),
      demand: this,
      signal: this.#stop.signal,
      onProgress: (event) => {
        if (event.kind === 'failed') this.#fail(this.#imageOf(event.registrationId), event.reason);
        onEvent?.(event);
      },
    })
      .then((summary) => {
        if (this.#failure !== undefined) throw this.#failure.error;
        return summary;
      })
      .finally(() => this.#close());
    ended.catch(() => undefined);
    await Promise.race([begun, ended]);
    return { ended };
  }

  /** Devices wait for their images. */
  want(images: readonly string[]): void {
    for (const image of images) {
      const outcome = this.#outcomes.get(image);
      if (outcome === 'burnt') this.#news.burnt([image]);
      else if (outcome !== undefined) this.#news.failed(image, outcome.reason);
      else {
        this.#wanted.add(image);
        this.#needed = Math.max(this.#needed, (this.#places.get(image) ?? -1) + 1);
      }
    }
    if (this.#over) this.#close();
    this.#wake();
  }

  /** Nothing more is burnt but what is in hand. */
  stop(): void {
    this.#over = true;
    this.#stop.abort();
    this.#wake();
  }

  async begin(file: EnrolmentFile, kept: readonly Delivered[]): Promise<void> {
    this.#head = file;
    await this.#parts.enrol?.({ ...file, enrollments: kept.flatMap(({ enrolment = [] }) => enrolment) });
    for (const { registrationId } of kept) this.#outcomes.set(this.#imageOf(registrationId), 'burnt');
    const left = this.#images.filter((image) => !this.#outcomes.has(image));
    this.#places = new Map(left.map((image, place) => [image, place]));
    this.#begun();
  }

  async more(most: number): Promise<number> {
    for (;;) {
      if (this.#over || this.#given >= this.#places.size) return 0;
      const count = Math.min(most, this.#needed - this.#given);
      if (count > 0) {
        this.#given += count;
        return count;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async delivered(devices: readonly Delivered[]): Promise<void> {
    const enrollments = devices.flatMap(({ enrolment = [] }) => enrolment);
    if (this.#head !== undefined && enrollments.length > 0) {
      try {
        await this.#parts.enrol?.({ ...this.#head, certificates: [], enrollmentGroups: [], enrollments });
      } catch (error) {
        // What is burnt stays burnt, with its documents: the next run enrols it.
        this.#failure ??= { error };
        this.stop();
        return;
      }
    }
    const images = devices.map(({ registrationId }) => this.#imageOf(registrationId));
    for (const image of images) this.#outcomes.set(image, 'burnt');
    const awaited = images.filter((image) => this.#wanted.delete(image));
    if (awaited.length > 0) this.#news.burnt(awaited);
  }

  #imageOf(registrationId: string): string {
    return join(this.#out, imageName(registrationId));
  }

  #fail(image: string, reason: string): void {
    this.#outcomes.set(image, { reason });
    if (this.#wanted.delete(image)) this.#news.failed(image, reason);
  }

  /** Nothing more comes: what another station has burnt is there, what the ledger holds back is not. */
  #close(): void {
    this.#over = true;
    for (const image of [...this.#wanted]) {
      if (!existsSync(image)) this.#fail(image, 'it was not burnt: the batch was ended, or its ledger holds the device back');
      else {
        this.#wanted.delete(image);
        this.#outcomes.set(image, 'burnt');
        this.#news.burnt([image]);
      }
    }
  }

  #wake(): void {
    for (const waiting of this.#waiting.splice(0)) waiting();
  }
}
