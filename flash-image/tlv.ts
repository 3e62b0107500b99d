import { createHash } from 'node:crypto';
import { crcOf } from './crc.js';
import { hex, ImageFault, locate, type Place } from './faults.js';

/** Types of esp_secure_cert TLVs. Source: esp_secure_cert_mgr. */
export const tlvType = { caCertificate: 0, deviceCertificate: 1, privateKey: 2, signature: 8, integrity: 9 } as const;

/** Flags of TLVs. `derived` and `hardware`: the key is made from, or kept in, an eFuse. Source: esp_secure_cert_mgr. */
export const tlvFlag = { encrypted: 0x80, derived: 0x40, hardware: 0x08 } as const;

/** A type-length-value of esp_secure_cert. */
export interface Tlv {
  /** From the start of the partition. */
  readonly offset: number;
  readonly type: number;
  readonly subtype: number;
  /** See {@link tlvFlag}; 0 for a plain value. */
  readonly flags: number;
  readonly value: Buffer;
}

const MAGIC = 0xba5eba11;
const HEADER_SIZE = 12;
const FOOTER_SIZE = 4;
const ALIGNMENT = 16;
const LONGEST = 0xffff;

/** What people call a TLV of that type. */
export function tlvName(type: number): string {
  switch (type) {
    case tlvType.caCertificate:
      return 'CA certificate';
    case tlvType.deviceCertificate:
      return 'device certificate';
    case tlvType.privateKey:
      return 'private key';
    case tlvType.signature:
      return 'signature';
    case tlvType.integrity:
      return 'integrity hash';
    default:
      return type >= 51 && type <= 55 ? `user data ${type - 50}` : `TLV of type ${type}`;
  }
}

/** One TLV: header, value, zeros, CRC32 over all of it. Always a multiple of 16 bytes. */
export function encodeTlv(type: number, value: Uint8Array, flags = 0): Buffer {
  if (value.length > LONGEST) {
    throw new ImageFault('CERT_VALUE', `the ${tlvName(type)} is too long`, {
      where: 'partition esp_secure_cert',
      seen: `${value.length} bytes`,
      expected: `at most ${LONGEST} bytes`,
    });
  }
  const tlv = Buffer.alloc(sizeOf(value.length));
  tlv.writeUInt32LE(MAGIC, 0);
  tlv.writeUInt8(flags, 4);
  tlv.writeUInt8(type, 8);
  tlv.writeUInt16LE(value.length, 10);
  tlv.set(value, HEADER_SIZE);
  const end = tlv.length - FOOTER_SIZE;
  tlv.writeUInt32LE(crcOf(tlv.subarray(0, end)), end);
  return tlv;
}

/** The TLV that ends a list: the SHA-256 of all bytes before it. */
export function integrityTlv(before: Uint8Array): Buffer {
  return encodeTlv(tlvType.integrity, sha256(before));
}

/**
 * All TLVs of a partition, each checked by its CRC, the list by its integrity TLV where it has one. Empty when the partition is erased.
 *
 * The list ends where the flash is erased (or zero): any other word in the place of a magic is damage, not an end.
 */
export function decodeTlvs(bytes: Uint8Array, place: Place): Tlv[] {
  const partition = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tlvs: Tlv[] = [];
  let offset = 0;
  while (!endsAt(partition, offset, place)) {
    const tlv = readTlv(partition, offset, place);
    if (tlv.type === tlvType.integrity) checkIntegrity(partition, tlv, place);
    tlvs.push(tlv);
    offset += sizeOf(tlv.value.length);
  }
  return tlvs;
}

function endsAt(partition: Buffer, offset: number, place: Place): boolean {
  if (offset + HEADER_SIZE + FOOTER_SIZE > partition.length) return true;
  const word = partition.readUInt32LE(offset);
  if (word === MAGIC) return false;
  if (word === 0xffffffff || word === 0) return true;
  throw new ImageFault('CERT_TLV', 'neither a TLV nor the end of the list', {
    where: locate(place, offset),
    seen: partition.toString('hex', offset, offset + 4),
    expected: '11ba5eba (a TLV) or ffffffff (the end)',
  });
}

function readTlv(partition: Buffer, offset: number, place: Place): Tlv {
  const length = partition.readUInt16LE(offset + 10);
  const size = sizeOf(length);
  const where = locate(place, offset);
  if (offset + size > partition.length) {
    throw new ImageFault('CERT_TLV', 'the TLV reaches beyond its partition', {
      where,
      seen: `${length} bytes`,
      expected: `at most ${partition.length - offset} with header and CRC`,
    });
  }
  const end = offset + size - FOOTER_SIZE;
  if (crcOf(partition.subarray(offset, end)) !== partition.readUInt32LE(end)) {
    throw new ImageFault('CERT_CRC', `the ${tlvName(partition.readUInt8(offset + 8))} does not match its CRC`, {
      where,
      expected: `the CRC32 at ${hex(place.offset + end)}`,
      remedy: 'the bytes were changed or damaged: burn the image again',
    });
  }
  return {
    offset,
    flags: partition.readUInt8(offset + 4),
    type: partition.readUInt8(offset + 8),
    subtype: partition.readUInt8(offset + 9),
    value: Buffer.from(partition.subarray(offset + HEADER_SIZE, offset + HEADER_SIZE + length)),
  };
}

function checkIntegrity(partition: Buffer, tlv: Tlv, place: Place): void {
  if (sha256(partition.subarray(0, tlv.offset)).equals(tlv.value)) return;
  throw new ImageFault('CERT_INTEGRITY', 'the TLVs do not match the integrity hash', {
    where: locate(place, tlv.offset),
    expected: 'the SHA-256 of all TLVs before it',
  });
}

function sizeOf(length: number): number {
  return Math.ceil((HEADER_SIZE + length + FOOTER_SIZE) / ALIGNMENT) * ALIGNMENT;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
