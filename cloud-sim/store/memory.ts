import type { Attempt } from '../reasons.js';
import { type AttemptLog, groupOf, type Page, type PageRequest, type Store, type Table } from './store.js';

/** Attempts kept for one device, and devices that attempts are kept for; the least recent go first. */
const ATTEMPTS_PER_DEVICE = 32;
const DEVICES_WITH_ATTEMPTS = 100_000;

/** A store that ends with the process. */
export function memoryStore(): Store {
  return {
    individuals: new MemoryTable(),
    groups: new MemoryTable(),
    certificates: new MemoryTable(),
    registrations: new MemoryTable(groupOf),
    policies: new MemoryTable(),
    hubs: new MemoryTable(),
    links: new MemoryTable(),
    service: new MemoryTable(),
    devices: new MemoryTable(),
    twins: new MemoryTable(),
    attempts: new MemoryAttempts(),
    close: async () => {},
  };
}

class MemoryTable<T> implements Table<T> {
  readonly #records = new Map<string, T>();
  readonly #groupOf: (record: T) => string | undefined;
  #sortedKeys: string[] | undefined;

  constructor(groupOf: (record: T) => string | undefined = () => undefined) {
    this.#groupOf = groupOf;
  }

  async get(key: string): Promise<T | undefined> {
    return this.#records.get(key);
  }

  async update<R extends T | undefined>(key: string, change: (current: T | undefined) => R): Promise<R> {
    const next = change(this.#records.get(key));
    if (next === undefined) await this.delete(key);
    else {
      if (!this.#records.has(key)) this.#sortedKeys = undefined;
      this.#records.set(key, next);
    }
    return next;
  }

  async delete(key: string): Promise<boolean> {
    const existed = this.#records.delete(key);
    if (existed) this.#sortedKeys = undefined;
    return existed;
  }

  async list(prefix = ''): Promise<T[]> {
    return this.#keys()
      .filter((key) => key.startsWith(prefix))
      .map((key) => this.#records.get(key) as T);
  }

  async page({ limit, after, group }: PageRequest): Promise<Page<T>> {
    const found: { key: string; record: T }[] = [];
    for (const key of this.#keys()) {
      if (after !== undefined && key <= after) continue;
      const record = this.#records.get(key) as T;
      if (group !== undefined && this.#groupOf(record) !== group) continue;
      found.push({ key, record });
      // One more than asked for tells that there is a next page.
      if (found.length > limit) break;
    }
    const shown = found.slice(0, limit);
    return { records: shown.map(({ record }) => record), next: found.length > limit ? shown.at(-1)?.key : undefined };
  }

  async count(prefix = ''): Promise<number> {
    if (prefix === '') return this.#records.size;
    let count = 0;
    for (const key of this.#records.keys()) if (key.startsWith(prefix)) count++;
    return count;
  }

  #keys(): readonly string[] {
    this.#sortedKeys ??= [...this.#records.keys()].sort();
    return this.#sortedKeys;
  }
}

class MemoryAttempts implements AttemptLog {
  readonly #attempts = new Map<string, readonly Attempt[]>();

  async append(key: string, attempt: Attempt): Promise<void> {
    const kept = [...(this.#attempts.get(key) ?? []), attempt].slice(-ATTEMPTS_PER_DEVICE);
    // A map iterates in order of insertion: taken out and put back, the key is the most recent.
    this.#attempts.delete(key);
    this.#attempts.set(key, kept);
    if (this.#attempts.size > DEVICES_WITH_ATTEMPTS) {
      const oldest = this.#attempts.keys().next();
      if (oldest.done !== true) this.#attempts.delete(oldest.value);
    }
  }

  async list(key: string): Promise<Attempt[]> {
    return [...(this.#attempts.get(key) ?? [])];
  }
}
