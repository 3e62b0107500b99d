import { timestampUtc } from '@zerotouch/azure-wire/errors';
import { hubLimits } from '@zerotouch/azure-wire/limits';
import { isJsonObject, type JsonObject, type JsonValue, mergeTwin } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { ConfigurationRecord, Store, TwinRecord } from '../store/store.js';
import { hubEtag } from '../unique.js';
import { conditionOf, configurationFlaw, desiredOf, type TargetCondition } from './configuration-content.js';
import type { Identity } from './identity.js';
import type { TwinRow } from './query/rows.js';
import { findTwins, type QueryGround, runQuery } from './query/run.js';
import type { TwinChange } from './twins.js';

/** What an operator writes of a configuration. */
export type NewConfiguration = Omit<ConfigurationRecord, 'etag' | 'created' | 'updated'>;

/** Why a configuration is not taken. */
export type ConfigurationProblem = { problem: string } | { stale: string } | { exists: true } | { missing: true } | { full: true };

/** What the configurations work with. */
export interface ConfigurationsParts {
  hub: string;
  store: Store;
  clock: Clock;
  entropy: Entropy;
  ground: QueryGround;
  /** Changes the desired properties of a twin. */
  changeDesired(identity: Identity, patch: JsonObject): Promise<TwinChange>;
  /** Notes which configurations target a twin. */
  target(identity: Identity, configurations: TwinRecord['configurations']): Promise<void>;
}

/** A configuration made ready: whom it targets, and its desired properties as one object. */
interface Ready {
  id: string;
  condition: TargetCondition;
  desired: JsonObject;
}

/** Most results that a metric keeps. */
const MAX_METRIC = 1000;

/**
 * Automatic device configurations: desired properties for all twins that a condition finds, the highest priority last.
 * Source: hub/iot-hub-automatic-device-management.
 */
export class Configurations {
  readonly #parts: ConfigurationsParts;
  /** Rises with each change, so that an older run over all twins gives way. */
  #generation = 0;
  #ready: Promise<Ready[]> | undefined;

  constructor(parts: ConfigurationsParts) {
    this.#parts = parts;
  }

  get(id: string): Promise<ConfigurationRecord | undefined> {
    return this.#parts.store.configurations.get(this.#key(id));
  }

  list(): Promise<ConfigurationRecord[]> {
    return this.#parts.store.configurations.list(this.#key(''));
  }

  /**
   * Makes a configuration or changes one, and applies it.
   * @param match `undefined`: only if there is none; `*`: whatever is there; else only if its etag is this one
   */
  async put(configuration: NewConfiguration, match: string | undefined): Promise<ConfigurationRecord | ConfigurationProblem> {
    const { store, clock, entropy } = this.#parts;
    const problem = configurationFlaw(configuration);
    if (problem !== undefined) return { problem };
    const key = this.#key(configuration.id);
    if ((await store.configurations.get(key)) === undefined && (await this.list()).length >= hubLimits.configurations.value)
      return { full: true };
    const [etag, now] = [hubEtag(entropy), timestampUtc(clock.now())];
    let refused: ConfigurationProblem | undefined;
    const record = await store.configurations.update(key, (current) => {
      refused = undefined;
      if (match === undefined && current !== undefined) refused = { exists: true };
      else if (match !== undefined && match !== '*' && match !== current?.etag) refused = { stale: current?.etag ?? 'none' };
      if (refused !== undefined) return current;
      // What a configuration lays over twins stays what it was made with.
      const content = current?.content ?? configuration.content;
      return { ...configuration, content, etag, created: current?.created ?? now, updated: now };
    });
    if (refused !== undefined) return refused;
    if (record === undefined) return { missing: true };
    await this.#applyToAll();
    return record;
  }

  async delete(id: string, match: string | undefined): Promise<ConfigurationProblem | undefined> {
    const current = await this.get(id);
    if (current === undefined) return { missing: true };
    if (match !== undefined && match !== '*' && match !== current.etag) return { stale: current.etag };
    await this.#parts.store.configurations.delete(this.#key(id));
    await this.#applyToAll();
    return undefined;
  }

  /** How many twins a configuration targets and has been applied to, and what its own metrics count. */
  async metrics({ id, metrics }: ConfigurationRecord): Promise<{ system: Record<string, number>; custom: Record<string, number> }> {
    const system = { targetedCount: 0, appliedCount: 0 };
    for await (const { row } of findTwins(undefined, 'devices', this.#parts.ground)) {
      const state = row.twin.configurations?.[id];
      if (state !== undefined) system.targetedCount++;
      if (state?.status === 'Applied') system.appliedCount++;
    }
    const custom: Record<string, number> = {};
    for (const [name, query] of Object.entries(metrics.queries)) {
      custom[name] = (await runQuery(query, { size: MAX_METRIC }, this.#parts.ground)).items.length;
    }
    return { system, custom };
  }

  /** Looks at one twin again. @param why it is new, or its tags changed; or its reported properties did */
  async look(identity: Identity, why: 'tags' | 'reported', row: () => Promise<TwinRow | undefined>): Promise<void> {
    if (identity.moduleId !== undefined) return;
    this.#ready ??= this.#load();
    const ready = await this.#ready;
    // Devices report often, and hardly a condition asks for it.
    if (!ready.some(({ condition }) => why === 'tags' || condition.readsReported)) return;
    const twin = await row();
    if (twin !== undefined) await this.#apply(twin, ready);
  }

  async #applyToAll(): Promise<void> {
    const generation = ++this.#generation;
    this.#ready = this.#load();
    const ready = await this.#ready;
    for await (const { row } of findTwins(undefined, 'devices', this.#parts.ground)) {
      if (generation !== this.#generation) return;
      await this.#apply(row, ready);
    }
  }

  // Lower priorities first: what a higher one says comes over it.
  async #apply(row: TwinRow, ready: readonly Ready[]): Promise<void> {
    const { twin } = row;
    const targeting = ready.filter(({ condition }) => condition.finds(row));
    if (targeting.length === 0 && twin.configurations === undefined) return;
    const wanted = targeting.reduce<JsonObject>((laid, { desired }) => mergeTwin(laid, desired), {});
    const before = twin.desired;
    const isLaid = isSame(mergeTwin(before, wanted), before) || 'twin' in (await this.#parts.changeDesired(twin, wanted));
    const states = targeting.map(({ id, desired }): [string, { status: 'Applied' | 'Targeted' }] => [
      id,
      // What a higher priority has taken from it, or the twin has no room for, was targeted only.
      { status: isLaid && isSame(mergeTwin(wanted, desired), wanted) ? 'Applied' : 'Targeted' },
    ]);
    const next = states.length === 0 ? undefined : Object.fromEntries(states);
    if (!isSame((next ?? {}) as JsonObject, (twin.configurations ?? {}) as JsonObject)) await this.#parts.target(twin, next);
  }

  async #load(): Promise<Ready[]> {
    const records = (await this.list()).filter(
      ({ targetCondition, content }) => targetCondition.trim() !== '' && content.deviceContent !== undefined,
    );
    const sorted = records.sort((a, b) => a.priority - b.priority || (a.created < b.created ? -1 : 1));
    return sorted.map(({ id, targetCondition, content }) => ({
      id,
      condition: conditionOf(targetCondition),
      desired: desiredOf(content.deviceContent ?? {}),
    }));
  }

  #key(id: string): string {
    return `${this.#parts.hub}/${id}`;
  }
}

function isSame(a: JsonValue, b: JsonValue): boolean {
  if (isJsonObject(a) && isJsonObject(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length &&
      keys.every((key) => Object.hasOwn(b, key) && isSame(a[key] as JsonValue, b[key] as JsonValue))
    );
  }
  return JSON.stringify(a) === JSON.stringify(b);
}
