import { hex, ImageFault, locate, type Place } from '../faults.js';
import { type Damage, erasable } from './damage.js';
import { decodeBlobIndex, decodeInteger, itemType, NAMESPACE_OF_NAMESPACES } from './entry.js';
import { PAGE_SIZE, slotOffset } from './page.js';
import { type Item, type PageScan, scanPage } from './scan-page.js';
import type { NvsEntry, NvsValue } from './value.js';

/** An entry with the items that make it up: the head first, then the chunks of a blob. */
export interface FoundEntry extends NvsEntry {
  readonly items: readonly Item[];
}

/** A partition as a device sees it once every repair is done. */
export interface NvsScan {
  readonly pages: readonly PageScan[];
  /** Numbers of namespaces by their names. */
  readonly namespaces: ReadonlyMap<string, number>;
  readonly entries: readonly FoundEntry[];
  readonly damage: readonly Damage[];
}

/** Reads every page of a partition. Pure: damage is told, not repaired. Throws only for a size or a version that cannot be read at all. */
export function scanNvs(bytes: Uint8Array, place: Place): NvsScan {
  const partition = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (partition.length === 0 || partition.length % PAGE_SIZE !== 0) {
    throw new ImageFault('NVS_SIZE', 'these are not whole NVS pages', {
      where: locate(place),
      seen: `${partition.length} bytes`,
      expected: `a multiple of ${hex(PAGE_SIZE)} bytes`,
    });
  }
  const damage: Damage[] = [];
  const pages: PageScan[] = [];
  for (let index = 0; index * PAGE_SIZE < partition.length; index++) pages.push(scanPage(partition, index, damage, place));
  const items = inWritingOrder(pages, damage).flatMap((page) => page.items);
  const chunks = collectChunks(items, damage);
  const heads = collectHeads(items, chunks, partition, damage);
  const names = collectNames(heads, partition, damage);
  const namespaces = new Map([...names].map(([number, { key }]) => [key, number] as const));
  const entries: FoundEntry[] = [];
  const inUse = new Set<Item>();
  for (const { item, value, parts } of heads.values()) {
    if (item.namespace === NAMESPACE_OF_NAMESPACES) continue;
    const namespace = names.get(item.namespace)?.key;
    if (namespace === undefined) {
      damage.push(
        erasable(item, 'NVS_NAMESPACE', 'the entry belongs to a namespace that does not exist', 'a namespace entry with its number'),
      );
      continue;
    }
    for (const part of parts) inUse.add(part);
    entries.push({ namespace, key: item.key, value, items: [item, ...parts] });
  }
  for (const chunk of chunks.values()) {
    if (!inUse.has(chunk))
      damage.push(erasable(chunk, 'NVS_BLOB', 'a piece of a blob belongs to no index', 'an index entry that counts it'));
  }
  return { pages, namespaces, entries, damage };
}

/** Where an item starts, from the start of the partition. */
export function offsetOf({ page, slot }: { page: number; slot: number }): number {
  return page * PAGE_SIZE + slotOffset(slot);
}

/** Pages in use, oldest first, without the unfinished copy of a cut move. */
function inWritingOrder(pages: readonly PageScan[], damage: Damage[]): PageScan[] {
  const inUse = pages.filter((page) => page.sequence !== undefined).sort((a, b) => (a.sequence ?? 0) - (b.sequence ?? 0));
  for (const [position, page] of inUse.entries()) {
    const next = inUse[position + 1];
    const offset = page.index * PAGE_SIZE;
    if (next !== undefined && next.sequence === page.sequence) {
      damage.push({
        code: 'NVS_PAGE_STATE',
        summary: 'two pages have one sequence number',
        offset,
        expected: 'numbers that differ',
        repair: { kind: 'none' },
      });
    }
    if (next !== undefined && page.header.kind === 'active') {
      const repair = { kind: 'mark-full', page: page.index } as const;
      damage.push({
        code: 'NVS_PAGE_STATE',
        summary: 'an older page is still active',
        offset,
        expected: 'only the newest page to be active',
        repair,
      });
    }
  }
  const freeing = inUse.find((page) => page.header.kind === 'freeing');
  if (freeing === undefined) return inUse;
  const newest = inUse.at(-1);
  const copy = newest?.header.kind === 'active' ? newest : undefined;
  damage.push({
    code: 'NVS_PAGE_STATE',
    summary: 'the page was being moved when power was lost',
    offset: freeing.index * PAGE_SIZE,
    expected: 'an active or a full page',
    repair: { kind: 'redo-move', page: freeing.index, discard: copy?.index },
  });
  return inUse.filter((page) => page !== copy);
}

function collectChunks(items: readonly Item[], damage: Damage[]): Map<string, Item> {
  const chunks = new Map<string, Item>();
  for (const item of items) {
    if (item.type !== itemType.blobData) continue;
    const id = chunkId(item, item.chunk);
    const older = chunks.get(id);
    if (older !== undefined) damage.push(duplicate(older));
    chunks.set(id, item);
  }
  return chunks;
}

interface Head {
  readonly item: Item;
  readonly value: NvsValue;
  readonly parts: readonly Item[];
}

/** The newest sound value of every key: a key's namespace number and name tell heads apart, whatever their type. */
function collectHeads(items: readonly Item[], chunks: Map<string, Item>, partition: Buffer, damage: Damage[]): Map<string, Head> {
  const heads = new Map<string, Head>();
  for (const item of items) {
    if (item.type === itemType.blobData) continue;
    const parts = item.type === itemType.blobIndex ? findParts(item, chunks, partition) : [];
    const value = parts.length > 0 ? joinParts(parts) : decodeItem(item, partition);
    if (value === undefined) {
      damage.push(erasable(item, 'NVS_BLOB', 'the pieces of the blob are not all there', 'the pieces and the size that the index tells'));
      continue;
    }
    const id = `${item.namespace}\0${item.key}`;
    const older = heads.get(id);
    if (older !== undefined) damage.push(duplicate(older.item));
    heads.delete(id);
    heads.set(id, { item, value, parts });
  }
  return heads;
}

/** The namespaces by their numbers; of two with one number the newer counts. */
function collectNames(heads: Map<string, Head>, partition: Buffer, damage: Damage[]): Map<number, Item> {
  const names = new Map<number, Item>();
  for (const { item } of heads.values()) {
    if (item.namespace !== NAMESPACE_OF_NAMESPACES) continue;
    const number = partition.readUInt8(offsetOf(item) + 24);
    const older = names.get(number);
    if (older !== undefined)
      damage.push(erasable(older, 'NVS_NAMESPACE', 'a newer namespace has the same number', 'one namespace for a number'));
    names.set(number, item);
  }
  return names;
}

/** The chunks that an index counts, in order; none when one is missing or their size is another. */
function findParts(item: Item, chunks: Map<string, Item>, partition: Buffer): Item[] {
  const { size, count, start } = decodeBlobIndex(partition, offsetOf(item));
  const parts: Item[] = [];
  let found = 0;
  for (let number = start; number < start + count; number++) {
    const chunk = chunks.get(chunkId(item, number));
    if (chunk?.body === undefined) return [];
    parts.push(chunk);
    found += chunk.body.length;
  }
  return found === size ? parts : [];
}

function joinParts(parts: readonly Item[]): NvsValue {
  return { type: 'blob', value: Buffer.concat(parts.flatMap((part) => part.body ?? [])) };
}

function decodeItem(item: Item, partition: Buffer): NvsValue | undefined {
  if (item.body === undefined) return decodeInteger(item.type, partition, offsetOf(item));
  if (item.type === itemType.string) return { type: 'string', value: item.body.toString('utf8', 0, item.body.length - 1) };
  return { type: 'blob', value: Buffer.from(item.body) };
}

function chunkId({ namespace, key }: Item, chunk: number): string {
  return `${namespace}\0${key}\0${chunk}`;
}

function duplicate(older: Item): Damage {
  return erasable(older, 'NVS_DUPLICATE', 'a newer entry has the same key', 'one entry for a key');
}
