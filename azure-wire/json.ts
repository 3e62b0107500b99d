/**
 * What JSON text says that came as bytes, UTF-8.
 * @returns `undefined` when the bytes are no JSON; no bytes are none either
 */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    return undefined;
  }
}
