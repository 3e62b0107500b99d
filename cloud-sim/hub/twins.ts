import { type JsonObject, mergeTwin } from '@zerotouch/azure-wire/twin';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { deviceKey, type Store, type TwinRecord } from '../store/store.js';
import { etag } from '../unique.js';
import { twinProblem } from './twin-limits.js';

/** A change that was made, or why it was not. */
export type TwinChange = { twin: TwinRecord } | { problem: string } | { missing: true };

/** The twins of one hub. */
export class Twins {
  readonly #store: Store;
  readonly #hub: string;
  readonly #entropy: Entropy;

  constructor({ store, hub, entropy }: { store: Store; hub: string; entropy: Entropy }) {
    this.#store = store;
    this.#hub = hub;
    this.#entropy = entropy;
  }

  get(deviceId: string): Promise<TwinRecord | undefined> {
    return this.#store.twins.get(deviceKey(this.#hub, deviceId));
  }

  /** Lays a patch over the reported properties: all of it, or nothing when a limit is broken. */
  changeReported(deviceId: string, patch: JsonObject): Promise<TwinChange> {
    return this.#change(deviceId, 'reported', patch, (twin, reported) => ({
      ...twin,
      reported,
      reportedVersion: twin.reportedVersion + 1,
    }));
  }

  /** Lays a patch over the desired properties: all of it, or nothing when a limit is broken. */
  changeDesired(deviceId: string, patch: JsonObject): Promise<TwinChange> {
    const changed = etag(this.#entropy);
    return this.#change(deviceId, 'desired', patch, (twin, desired) => ({
      ...twin,
      etag: changed,
      version: twin.version + 1,
      desired,
      desiredVersion: twin.desiredVersion + 1,
    }));
  }

  async #change(
    deviceId: string,
    section: 'desired' | 'reported',
    patch: JsonObject,
    write: (twin: TwinRecord, section: JsonObject) => TwinRecord,
  ): Promise<TwinChange> {
    const flaw = twinProblem(patch, section);
    if (flaw !== undefined) return { problem: flaw };
    let problem: string | undefined;
    const twin = await this.#store.twins.update(deviceKey(this.#hub, deviceId), (current) => {
      if (current === undefined) return undefined;
      const merged = mergeTwin(current[section], patch);
      problem = twinProblem(merged, section);
      return problem === undefined ? write(current, merged) : current;
    });
    if (twin === undefined) return { missing: true };
    return problem === undefined ? { twin } : { problem };
  }
}
