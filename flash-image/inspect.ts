import { FACTORY_NAMESPACE, SYMMETRIC_KEY } from './factory.js';
import { placeOf, readLayout, readPartition } from './image.js';
import { isNvs, isSecureCert, type Layout, type Partition } from './layout.js';
import { inspectNvs, type PlacedEntry, readNvs } from './nvs/read.js';
import type { Storage } from './storage.js';
import { decodeTlvs, type Tlv, tlvName, tlvType } from './tlv.js';

/** A value of an image, in a form that JSON can carry. */
export interface InspectedField {
  /** `dps/reg_id` of an NVS entry, `device certificate` of a TLV. */
  readonly name: string;
  /** Flash offset. */
  readonly offset: number;
  /** NVS type, or `tlv`. */
  readonly type: string;
  /** Text as it is, integers of up to 32 bits as numbers, larger ones in decimal, bytes in base64 (then `encoding` says so). */
  readonly value: string | number;
  readonly encoding?: 'base64';
  /** Must be masked unless it was asked for. */
  readonly secret: boolean;
}

/** A partition of the table and what it holds. */
export interface InspectedPartition extends Partition {
  readonly holds: 'nvs' | 'secure-cert' | 'other';
  /** False where the image ends before the partition does: an application that was left out. */
  readonly present: boolean;
  /** Empty for partitions that this room does not read. */
  readonly fields: readonly InspectedField[];
  /** What a device will repair at its next start, as messages; read-only partitions have none. */
  readonly damage: readonly string[];
}

/** An image as a tree. */
export interface InspectedImage {
  /** Bytes. */
  readonly size: number;
  readonly partitions: readonly InspectedPartition[];
}

/**
 * Everything in an image, without writing to it. Damage in a read-only partition is thrown as an `ImageFault`; a device's own NVS may hold
 * the traces of a power cut, which are listed.
 */
export function inspectImage(storage: Storage): InspectedImage {
  const layout: Layout = readLayout(storage);
  return { size: storage.size, partitions: layout.partitions.map((partition) => inspectPartition(storage, partition)) };
}

function inspectPartition(storage: Storage, partition: Partition): InspectedPartition {
  const holds = isNvs(partition) ? 'nvs' : isSecureCert(partition) ? 'secure-cert' : 'other';
  const present = partition.offset + partition.size <= storage.size;
  const bare = { ...partition, holds, present, fields: [], damage: [] } as const;
  if (holds === 'other') return bare;
  const bytes = readPartition(storage, partition);
  const place = placeOf(partition);
  if (holds === 'secure-cert') return { ...bare, fields: decodeTlvs(bytes, place).map((tlv) => tlvField(tlv, partition)) };
  if (partition.readOnly) return { ...bare, fields: readNvs(bytes, place).map(nvsField) };
  const { entries, damage } = inspectNvs(bytes, place);
  return { ...bare, fields: entries.map(nvsField), damage: damage.map(({ message }) => message) };
}

function tlvField({ type, offset, value }: Tlv, partition: Partition): InspectedField {
  const name = tlvName(type);
  const common = { name, offset: partition.offset + offset, type: 'tlv', secret: type === tlvType.privateKey };
  const text = value.toString('utf8', 0, value.at(-1) === 0 ? value.length - 1 : value.length);
  return text.startsWith('-----BEGIN ') ? { ...common, value: text } : { ...common, value: value.toString('base64'), encoding: 'base64' };
}

function nvsField({ namespace, key, value, offset }: PlacedEntry): InspectedField {
  const common = {
    name: `${namespace}/${key}`,
    offset,
    type: value.type,
    secret: namespace === FACTORY_NAMESPACE && key === SYMMETRIC_KEY,
  };
  switch (value.type) {
    case 'blob':
      return { ...common, value: Buffer.from(value.value).toString('base64'), encoding: 'base64' };
    case 'u64':
    case 'i64':
      return { ...common, value: value.value.toString() };
    default:
      return { ...common, value: value.value };
  }
}
