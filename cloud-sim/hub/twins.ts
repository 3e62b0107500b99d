import { timestampUtc } from '@zerotouch/azure-wire/errors';
import { type JsonObject, mergeTwin, withoutService } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import { deviceKey, moduleKey, type Store, type Table, type TwinRecord } from '../store/store.js';
import { twinEtag } from '../unique.js';
import type { Identity } from './identity.js';
import { timedSection, timesAfter, withSection } from './property-times.js';
import { twinProblem } from './twin-limits.js';

/** A change that was made, or why it was not. */
export type TwinChange = { twin: TwinRecord; patch: JsonObject } | { problem: string } | { missing: true } | { stale: string };

/** What an operator writes to a twin. */
export interface TwinWrite {
  tags?: JsonObject;
  desired?: JsonObject;
  /** `true`: what is not named goes; else it is laid over what is there. */
  replace?: boolean;
  /** Only if the twin's etag is still this one. */
  etag?: string | undefined;
}

/** The twins of one hub. */
export class Twins {
  readonly #store: Store;
  readonly #hub: string;
  readonly #clock: Clock;

  constructor({ store, hub, clock }: { store: Store; hub: string; clock: Clock }) {
    this.#store = store;
    this.#hub = hub;
    this.#clock = clock;
  }

  get(identity: Identity): Promise<TwinRecord | undefined> {
    const { table, key } = this.#place(identity);
    return table.get(key);
  }

  /** Lays a patch over the reported properties: all of it, or nothing when a limit is broken. */
  async changeReported(identity: Identity, patch: JsonObject): Promise<TwinChange> {
    const flaw = twinProblem(patch, 'reported');
    if (flaw !== undefined) return { problem: flaw };
    return this.#change(identity, patch, (current) => {
      const reported = mergeTwin(current.reported, patch);
      const problem = twinProblem(reported, 'reported');
      if (problem !== undefined) return { problem };
      return { twin: this.#written(current, 'reported', reported, patch) };
    });
  }

  /** Lays a patch over the desired properties: all of it, or nothing when a limit is broken. */
  changeDesired(identity: Identity, patch: JsonObject): Promise<TwinChange> {
    return this.write(identity, { desired: patch });
  }

  /** Writes tags and desired properties: all of it, or nothing when a limit is broken. The change's `patch` is of the desired properties. */
  async write(identity: Identity, { tags, desired, replace = false, etag }: TwinWrite): Promise<TwinChange> {
    const given = { ...(tags === undefined ? {} : { tags }), ...(desired === undefined ? {} : { desired }) };
    for (const [kind, section] of Object.entries(given) as ['tags' | 'desired', JsonObject][]) {
      const flaw = twinProblem(replace ? withoutService(section) : section, kind);
      if (flaw !== undefined) return { problem: flaw };
    }
    let patch: JsonObject = {};
    const laid = (before: JsonObject, after: JsonObject | undefined): JsonObject =>
      after === undefined ? before : mergeTwin(replace ? {} : before, after);
    const change = await this.#change(identity, patch, (current) => {
      if (etag !== undefined && etag !== current.etag) return { stale: current.etag };
      const next = { tags: laid(current.tags, tags), desired: laid(current.desired, desired) };
      const problem = twinProblem(next.tags, 'tags') ?? twinProblem(next.desired, 'desired');
      if (problem !== undefined) return { problem };
      patch = replace && desired !== undefined ? { ...removals(current.desired, next.desired), ...next.desired } : (desired ?? {});
      const version = current.version + 1;
      // What takes the place of everything is written whole.
      const written = desired === undefined ? current : this.#written(current, 'desired', next.desired, replace ? next.desired : desired);
      return { twin: { ...written, tags: next.tags, version, etag: twinEtag(version) } };
    });
    return 'twin' in change ? { twin: change.twin, patch } : change;
  }

  /** Notes which automatic configurations target a twin. */
  async target(identity: Identity, configurations: TwinRecord['configurations']): Promise<void> {
    const { table, key } = this.#place(identity);
    await table.update(key, (current) => {
      if (current === undefined) return undefined;
      const { configurations: _, ...rest } = current;
      return configurations === undefined ? rest : { ...rest, configurations };
    });
  }

  async #change(
    identity: Identity,
    patch: JsonObject,
    change: (current: TwinRecord) => { twin: TwinRecord } | { problem: string } | { stale: string },
  ): Promise<TwinChange> {
    const { table, key } = this.#place(identity);
    let result: ReturnType<typeof change> | undefined;
    const twin = await table.update(key, (current) => {
      if (current === undefined) return undefined;
      result = change(current);
      return 'twin' in result ? result.twin : current;
    });
    if (twin === undefined || result === undefined) return { missing: true };
    return 'twin' in result ? { twin, patch } : result;
  }

  /** The twin with a section as it is after a patch. */
  #written(current: TwinRecord, section: 'desired' | 'reported', properties: JsonObject, patch: JsonObject): TwinRecord {
    const before = timedSection(current, section);
    const stamp = { at: this.#now(), version: before.stamp.version + 1 };
    return withSection(current, section, { properties, stamp, times: timesAfter(before, patch, properties, stamp) });
  }

  #place({ deviceId, moduleId }: Identity): { table: Table<TwinRecord>; key: string } {
    return moduleId === undefined
      ? { table: this.#store.twins, key: deviceKey(this.#hub, deviceId) }
      : { table: this.#store.moduleTwins, key: moduleKey(this.#hub, deviceId, moduleId) };
  }

  #now(): string {
    return timestampUtc(this.#clock.now());
  }
}

function removals(before: JsonObject, after: JsonObject): JsonObject {
  return Object.fromEntries(Object.keys(before).flatMap((key) => (Object.hasOwn(after, key) ? [] : [[key, null]])));
}
