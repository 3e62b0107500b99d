import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { NvsStore } from '@zerotouch/flash-image/nvs/store';
import { readCredential } from './credential.js';
import type { AppliedConfig, Assignment, CoolDown, Counters, Owner } from './kept.js';

const NAMESPACE = 'zerotouch';
/** A cool-down is one number of 64 bits, the cheapest item there is: attempts above, seconds since 1970 below. */
const SECONDS_BITS = 40n;
const MOST_ATTEMPTS = 0xffff;
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
    if (typeof hub !== 'string' || typeof deviceId !== 'string') return undefined;
    const credential = readCredential(kept.credential);
    return credential === undefined ? { hub, deviceId } : { hub, deviceId, credential };
  }

  /**
   * Keeps an assignment and counts the registration.
   * @throws Fault when the flash refuses the write; the assignment kept before is then still there
   */
  keepAssignment(idScope: string, { hub, deviceId, credential }: Assignment): void {
    this.#keep('assignment', { idScope, hub, deviceId, ...(credential === undefined ? {} : { credential: { ...credential } }) });
    this.#count('registrations');
  }

  /** The configuration that was applied last, for this id scope: one of another scope was the former owner's. */
  config(idScope: string): AppliedConfig | undefined {
    const kept = this.#object('config');
    if (kept === undefined || typeof kept.version !== 'number' || !isJsonObject(kept.values)) return undefined;
    if (kept.idScope !== undefined && kept.idScope !== idScope) return undefined;
    return { version: kept.version, values: kept.values };
  }

  /**
   * Keeps a configuration; writes nothing when it is the one that is kept already.
   * @throws Fault when the flash refuses the write
   */
  keepConfig(idScope: string, { version, values }: AppliedConfig): void {
    this.#keep('config', { idScope, version, values });
  }

  /**
   * Counts a boot.
   * @throws Fault when the flash refuses the write
   */
  countBoot(): void {
    // From here on boots are counted that ended well: those before this was counted did.
    if (this.#nvs.get(NAMESPACE, 'good') === undefined) this.trust();
    this.#count('boots');
  }

  /** Boots in a row before this one that did not end well. */
  failedBoots(): number {
    return Math.max(0, this.#number('boots') - 1 - this.#number('good'));
  }

  /**
   * This boot has ended well, whatever comes now. Writes nothing the second time.
   * @throws Fault when the flash refuses the write
   */
  trust(): void {
    this.#nvs.set(NAMESPACE, 'good', { type: 'u32', value: this.#number('boots') });
  }

  /** Whether DPS took the secondary key last. */
  usesSecondKey(): boolean {
    return this.#nvs.get(NAMESPACE, 'key')?.value === 2;
  }

  /**
   * Remembers which key DPS took. Writes nothing when that is known.
   * @throws Fault when the flash refuses the write
   */
  keepKey(second: boolean): void {
    if (second !== this.usesSecondKey()) this.#nvs.set(NAMESPACE, 'key', { type: 'u8', value: second ? 2 : 1 });
  }

  coolDown(): CoolDown | undefined {
    const item = this.#nvs.get(NAMESPACE, 'cool-down');
    if (item?.type !== 'u64') return undefined;
    return { attempts: Number(item.value >> SECONDS_BITS), until: Number(item.value & ((1n << SECONDS_BITS) - 1n)) * 1000 };
  }

  /**
   * Keeps that DPS is not to be asked yet.
   * @throws Fault when the flash refuses the write
   */
  keepCoolDown({ attempts, until }: CoolDown): void {
    const value = (BigInt(Math.min(attempts, MOST_ATTEMPTS)) << SECONDS_BITS) | BigInt(Math.ceil(until / 1000));
    this.#nvs.set(NAMESPACE, 'cool-down', { type: 'u64', value });
  }

  /**
   * A hub was found: what DPS said before it has no more meaning. Writes nothing where nothing was kept.
   * @throws Fault when the flash refuses the write
   */
  forgetCoolDown(): void {
    this.#nvs.delete(NAMESPACE, 'cool-down');
  }

  /**
   * Until when the WebSocket on port 443 comes before port 8883, for a network lets nothing through there: milliseconds since 1970, 0 when the device had
   * no clock. `undefined`: nothing is known against port 8883.
   */
  webSocketUntil(): number | undefined {
    const item = this.#nvs.get(NAMESPACE, 'web-socket');
    return item?.type === 'u64' ? Number(item.value) * 1000 : undefined;
  }

  /**
   * Keeps that the WebSocket comes first.
   * @throws Fault when the flash refuses the write
   */
  keepWebSocket(until: number): void {
    this.#nvs.set(NAMESPACE, 'web-socket', { type: 'u64', value: BigInt(Math.ceil(until / 1000)) });
  }

  /**
   * Port 8883 comes first again. Writes nothing where nothing was kept.
   * @throws Fault when the flash refuses the write
   */
  forgetWebSocket(): void {
    this.#nvs.delete(NAMESPACE, 'web-socket');
  }

  /** Who the device belongs to, when that is no longer who it was burnt for. */
  owner(): Owner | undefined {
    const { idScope, endpoint } = this.#object('owner') ?? {};
    if (typeof idScope !== 'string') return undefined;
    return typeof endpoint === 'string' ? { idScope, endpoint } : { idScope };
  }

  /**
   * Hands the device to a new owner. Assignment and configuration are kept for an id scope, so that this one item makes them void.
   * @throws Fault when the flash refuses the write
   */
  keepOwner({ idScope, endpoint }: Owner): void {
    this.#keep('owner', { idScope, ...(endpoint === undefined ? {} : { endpoint }) });
  }

  /**
   * Forgets everything, without a trace in flash. A power cut in the middle is made good when the flash is next opened.
   * @throws Fault when the flash refuses the erase
   */
  erase(): void {
    this.#nvs.wipe();
  }

  /** Sectors of the flash erased so far, and those that take no more writes. */
  wear(): { readonly erasures: number; readonly badSectors: number } {
    return this.#nvs.wear;
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
