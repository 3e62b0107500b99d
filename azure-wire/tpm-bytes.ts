/**
 * Writes the structures of TPM 2.0, as TPM attestation carries them between DPS and a device's TPM: big-endian numbers, and byte strings with
 * their size before them. Source: TPM 2.0 Library, part 1, section 11.1 (marshalling); part 2, section 10.4 (TPM2B).
 */

/** A byte string of several parts with its size, two bytes, before it (TPM2B). */
export function sized(...parts: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

/** Two bytes. */
export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

/** Four bytes. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
