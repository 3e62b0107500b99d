import type { Storage } from '../storage.js';
import type { NvsEntry, NvsValue } from './value.js';

/** A device's own power-safe NVS on a region of flash. */
export declare class NvsStore {
  static open(storage: Storage): NvsStore;
  get(namespace: string, key: string): NvsValue | undefined;
  /** Writes the value, wholly or not at all; false when it was there already. */
  set(namespace: string, key: string, value: NvsValue): boolean;
  /** False when there was none. */
  delete(namespace: string, key: string): boolean;
  entries(): NvsEntry[];
  /** Returns once what was set would survive the loss of power of the machine. */
  commit(): void;
}
