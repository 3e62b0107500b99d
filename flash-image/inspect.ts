import { FACTORY_NAMESPACE, secretKeys } from './factory.js';
import { placeOf, readLayout, readNvsKeys, readPartition } from './image.js';
import { type InspectedSlots, inspectSlots } from './inspect-slots.js';
import { isNvs, isNvsKeys, isSecureCert, type Layout, type Partition } from './layout.js';
import type { NvsKeys } from './nvs/encryption.js';
import { inspectNvs, type PlacedEntry, readNvs } from './nvs/read.js';
import { type ForChip, plainValue } from './secure-cert.js';
import type { Storage } from './storage.js';
import { decodeTlvs, type Tlv, tlvFlag, tlvName, tlvType } from './tlv.js';

/** A value of an image, in a form that JSON can carry. */
export interface InspectedField {
  /** `dps/reg_id` of an NVS entry, `device certificate` of a TLV. */
  readonly name: string;
  /** Flash offset. */
  readonly offset: number;
  /** NVS type, or `tlv`. */
  readonly type: string;
  /** Text as it is, integers of up to 32 bits as numbers, larger ones in decimal, PEM as text, other bytes in base64 (then `encoding` says so). */
  readonly value: string | number;
  readonly encoding?: 'base64';
  /** Must be masked unless it was asked for. */
  readonly secret: boolean;
}

/** A partition of the table and what it holds. */
export interface InspectedPartition extends Partition {
  readonly holds: 'nvs' | 'nvs-keys' | 'secure-cert' | 'other';
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
  /** How NVS and private key are hidden. */
  readonly encryption: 'none' | 'hmac' | 'key-partition';
  readonly partitions: readonly InspectedPartition[];
  /** `null` where the layout has no application slots. */
  readonly slots: InspectedSlots | null;
}

/**
 * Everything in an image, without writing to it. Damage in a read-only partition is thrown as an `ImageFault`; a device's own NVS may hold
 * the traces of a power cut, which are listed. With an eFuse, the image is one that was encrypted for it.
 */
export function inspectImage(storage: Storage, chip: ForChip = {}): InspectedImage {
  const layout: Layout = readLayout(storage);
  const found = readNvsKeys(storage, layout, chip);
  const partitions = layout.partitions.map((partition) => inspectPartition(storage, partition, found?.keys, chip));
  return { size: storage.size, encryption: found?.scheme ?? 'none', partitions, slots: inspectSlots(storage, layout) };
}

function inspectPartition(storage: Storage, partition: Partition, keys: NvsKeys | undefined, { efuse }: ForChip): InspectedPartition {
  const holds = isNvs(partition) ? 'nvs' : isNvsKeys(partition) ? 'nvs-keys' : isSecureCert(partition) ? 'secure-cert' : 'other';
  const present = partition.offset + partition.size <= storage.size;
  const bare = { ...partition, holds, present, fields: [], damage: [] } as const;
  if (holds === 'other' || holds === 'nvs-keys') return bare;
  const bytes = readPartition(storage, partition);
  const place = placeOf(partition);
  if (holds === 'secure-cert') return { ...bare, fields: decodeTlvs(bytes, place).map((tlv) => tlvField(tlv, partition, efuse)) };
  if (partition.readOnly) return { ...bare, fields: readNvs(bytes, place, keys).map(nvsField) };
  const { entries, damage } = inspectNvs(bytes, place, keys);
  return { ...bare, fields: entries.map(nvsField), damage: damage.map(({ message }) => message) };
}

function tlvField(tlv: Tlv, partition: Partition, efuse: Uint8Array | undefined): InspectedField {
  const { type, offset } = tlv;
  // What is derived or kept in hardware is shown as it lies there.
  const value = tlv.flags === tlvFlag.encrypted ? plainValue(tlv, placeOf(partition), efuse) : tlv.value;
  const name = tlvName(type);
  const common = { name, offset: partition.offset + offset, type: 'tlv', secret: type === tlvType.privateKey };
  return { ...common, ...textOrBytes(value) };
}

/** PEM as the text that it is, any other bytes in base64. */
function textOrBytes(value: Buffer): Pick<InspectedField, 'value' | 'encoding'> {
  const text = value.toString('utf8', 0, value.at(-1) === 0 ? value.length - 1 : value.length);
  return text.startsWith('-----BEGIN ') ? { value: text } : { value: value.toString('base64'), encoding: 'base64' };
}

function nvsField({ namespace, key, value, offset }: PlacedEntry): InspectedField {
  const common = {
    name: `${namespace}/${key}`,
    offset,
    type: value.type,
    secret: namespace === FACTORY_NAMESPACE && secretKeys.includes(key),
  };
  switch (value.type) {
    case 'blob':
      return { ...common, ...textOrBytes(Buffer.from(value.value)) };
    case 'u64':
    case 'i64':
      return { ...common, value: value.value.toString() };
    default:
      return { ...common, value: value.value };
  }
}
