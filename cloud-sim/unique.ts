import { KEY_BYTES } from '@zerotouch/azure-wire/keys';
import type { Entropy } from '@zerotouch/foundation/entropy';

/** A random GUID (RFC 9562, version 4). */
export function guid(entropy: Entropy): string {
  const bytes = entropy.bytes(16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** An etag as DPS writes it: text with quotes inside. */
export function etag(entropy: Entropy): string {
  return `"${guid(entropy)}"`;
}

/** An etag as Azure's resource manager writes it: base64 of eight bytes. */
export function resourceEtag(entropy: Entropy): string {
  return Buffer.concat([Buffer.alloc(4), entropy.bytes(4)]).toString('base64');
}

/** An etag without the quotes that it holds or was given: SDKs send them as they are, quoted once more, escaped, or stripped. */
export function bareEtag(etag: string): string {
  return etag.trim().replace(/^W\//i, '').replace(/["\\]/g, '');
}

/** An operation id in the form seen in real replies: `5.{16 hex}.{guid}`. Opaque to devices. */
export function operationId(entropy: Entropy): string {
  return `5.${entropy.bytes(8).toString('hex')}.${guid(entropy)}`;
}

/** A symmetric key as the service generates it, base64 of 64 bytes. */
export function generatedKey(entropy: Entropy): string {
  return entropy.bytes(KEY_BYTES.generated).toString('base64');
}

/** An etag as a hub writes it: base64 without quotes. */
export function hubEtag(entropy: Entropy): string {
  return entropy.bytes(8).toString('base64');
}

/** The etag of a hub's twin: base64 of its version. */
export function twinEtag(version: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(version));
  return bytes.toString('base64');
}
