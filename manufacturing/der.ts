/** An element of DER: where it starts, where its contents start, and where it ends. */
export interface Element {
  readonly tag: number;
  readonly start: number;
  readonly contents: number;
  readonly end: number;
}

/** The element at an offset. Only for DER that a library made or accepted: it is not checked again. */
export function elementAt(der: Buffer, start: number): Element {
  const first = der.readUInt8(start + 1);
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const contents = start + 2 + lengthBytes;
  const length = lengthBytes === 0 ? first : der.readUIntBE(start + 2, lengthBytes);
  return { tag: der.readUInt8(start), start, contents, end: contents + length };
}

/** The elements inside an element. */
export function childrenOf(der: Buffer, { contents, end }: Element): Element[] {
  const children: Element[] = [];
  for (let at = contents; at < end; ) {
    const child = elementAt(der, at);
    children.push(child);
    at = child.end;
  }
  return children;
}

/** The bytes of an element, a view. */
export function bytesOf(der: Buffer, { start, end }: Element): Buffer {
  return der.subarray(start, end);
}

/** An element around contents. */
export function wrap(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const header = length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), ...contents], header.length + length);
}

/** What a certificate signs, and the algorithm it names; both as they lie in it. Source: RFC 5280, 4.1. */
export function signedPartsOf(certificate: Buffer): { tbs: Buffer; algorithm: Buffer } {
  const [tbs, algorithm] = childrenOf(certificate, elementAt(certificate, 0));
  if (tbs === undefined || algorithm === undefined) throw new RangeError('a certificate has three parts');
  return { tbs: bytesOf(certificate, tbs), algorithm: bytesOf(certificate, algorithm) };
}

/** A certificate of its parts. Source: RFC 5280, 4.1. */
export function joinCertificate(tbs: Uint8Array, algorithm: Uint8Array, signature: Uint8Array): Buffer {
  return wrap(0x30, tbs, algorithm, wrap(0x03, Uint8Array.of(0), signature));
}

/** PEM of a certificate, ending in a newline. */
export function certificatePem(der: Buffer): string {
  const text = der.toString('base64');
  let pem = '-----BEGIN CERTIFICATE-----\n';
  for (let at = 0; at < text.length; at += 64) pem += `${text.slice(at, at + 64)}\n`;
  return `${pem}-----END CERTIFICATE-----\n`;
}
