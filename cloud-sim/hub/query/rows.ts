import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { DeviceRecord, ModuleRecord, TwinRecord } from '../../store/store.js';
import { type Presence, sectionDocument, twinDocument } from '../documents.js';
import type { Row } from './compile.js';

/** Members of a twin that are read without its owner's record. */
const OF_TWIN = ['deviceId', 'moduleId', 'etag', 'version', 'tags', 'properties', 'configurations'];

/** Whether a path needs more than the twin itself. */
export function needsOwner([root = '']: readonly string[]): boolean {
  return !OF_TWIN.includes(root);
}

/** A twin as a query sees it; the whole document is only made for who asks for it. */
export class TwinRow implements Row {
  readonly twin: TwinRecord;
  readonly #owner: DeviceRecord | ModuleRecord | undefined;
  readonly #presence: () => Presence;
  #document: JsonObject | undefined;

  constructor(twin: TwinRecord, owner: DeviceRecord | ModuleRecord | undefined, presence: () => Presence) {
    this.twin = twin;
    this.#owner = owner;
    this.#presence = presence;
  }

  document(): JsonObject {
    this.#document ??= twinDocument(this.twin, this.#owner, this.#presence());
    return this.#document;
  }

  value(path: readonly string[]): unknown {
    const [root, section, third] = path;
    if (root === 'tags') return member(this.twin.tags, path, 1);
    if (root === 'properties' && (section === 'desired' || section === 'reported')) {
      // What the service itself writes begins with $; making it costs more than reading the device's own.
      const whole = third === undefined || third.startsWith('$');
      return member(whole ? sectionDocument(this.twin, section) : this.twin[section], path, 2);
    }
    if (root === 'deviceId' || root === 'moduleId' || root === 'version') return path.length === 1 ? this.twin[root] : undefined;
    return member(this.document(), path, 0);
  }
}

function member(value: unknown, path: readonly string[], from: number): unknown {
  let current = value;
  for (let index = from; index < path.length; index++) {
    const name = path[index] as string;
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, name)) return undefined;
    current = (current as Record<string, unknown>)[name];
  }
  return current;
}
