import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { NvsStore } from '@zerotouch/flash-image/nvs/store';
import type { AppliedConfig, Assignment, Counters } from './kept.js';

const NAMESPACE = 'zerotouch';
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * What the device itself remembers across power cuts, in its `nvs` partition. Assignment and configuration are one item each, since NVS
 * is atomic for one item only. An item that cannot be understood counts as absent: the device then asks again.
 */
export class Memory {
  readonly #nvs: NvsStore;

  constructor(nvs: NvsStore) {
    this.#nvs = nvs;
  }

  /** The assignment DPS gave for this id scope, or `undefined`: an assignment of another scope belonged to another owner. */
  assignment(idScope: string): Assignment | undefined {
    const kept = this.#object('assignment');
    if (kept === undefined || kept.idScope !== idScope) return undefined;
    const { hub, deviceId } = kept;
    return typeof hub === 'string' && typeof deviceId === 'string' ? { hub, deviceId } : undefined;
  }

  /**
   * Keeps an assignment and counts the registration.
   * @throws Fault when the flash refuses the write; the assignment kept before is then still there
   */
  keepAssignment(idScope: string, { hub, deviceId }: Assignment): void {
    this.#keep('assignment', { idScope, hub, deviceId });
    this.#count('registrations');
  }

  config(): AppliedConfig | undefined {
    const kept = this.#object('config');
    if (kept === undefined || typeof kept.version !== 'number' || !isJsonObject(kept.values)) return undefined;
    return { version: kept.version, values: kept.values };
  }

  /**
   * Keeps a configuration; writes nothing when it is the one that is kept already.
   * @throws Fault when the flash refuses the write
   */
  keepConfig({ version, values }: AppliedConfig): void {
    this.#keep('config', { version, values });
  }

  /**
   * Counts a boot.
   * @throws Fault when the flash refuses the write
   */
  countBoot(): void {
    this.#count('boots');
  }

  counters(): Counters {
    return { boots: this.#number('boots'), registrations: this.#number('registrations') };
  }

  #object(key: string): JsonObject | undefined {
    const item = this.#nvs.get(NAMESPACE, key);
    if (item?.type !== 'blob') return undefined;
    try {
      const value: unknown = JSON.parse(utf8.decode(item.value));
      return isJsonObject(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }

  #keep(key: string, value: JsonObject): void {
    const bytes = Buffer.from(JSON.stringify(value), 'utf8');
    const kept = this.#nvs.get(NAMESPACE, key);
    if (kept?.type === 'blob' && bytes.equals(kept.value)) return;
    this.#nvs.set(NAMESPACE, key, { type: 'blob', value: bytes });
  }

  #number(key: string): number {
    const item = this.#nvs.get(NAMESPACE, key);
    return item?.type === 'u32' ? Number(item.value) : 0;
  }

  #count(key: string): void {
    this.#nvs.set(NAMESPACE, key, { type: 'u32', value: this.#number(key) + 1 });
  }
}
