import { CompactSign } from 'jose';
import type { ManifestDevice } from './manifest.js';
import { linkOf, MANIFEST_TYPE, type ManifestHead } from './manifest-record.js';
import type { ManifestSigner } from './manifest-signer.js';

/**
 * The lines of a signed manifest (version 2), each `{"jws":"..."}` with its newline: JWS compact, ES256. Nothing is kept but the last hash, so
 * that a million devices need no more memory than one. Source: RFC 7515.
 */
export async function* manifestLines(
  head: ManifestHead,
  devices: Iterable<ManifestDevice> | AsyncIterable<ManifestDevice>,
  signer: Pick<ManifestSigner, 'certificate' | 'key'>,
): AsyncGenerator<string> {
  const encoder = new TextEncoder();
  let seq = 0;
  let prev: string | null = null;
  const line = async (record: object): Promise<string> => {
    // Every signature names its certificate; the first one carries it.
    const named = { alg: 'ES256', typ: MANIFEST_TYPE, 'x5t#S256': thumbprint };
    const header = seq === 0 ? { ...named, x5c: [signer.certificate.raw.toString('base64')] } : named;
    const payload = encoder.encode(JSON.stringify({ ...record, seq, prev }));
    const jws = await new CompactSign(payload).setProtectedHeader(header).sign(signer.key);
    seq++;
    prev = linkOf(jws);
    return `{"jws":"${jws}"}\n`;
  };
  const thumbprint = Buffer.from(signer.certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
  yield await line({ type: 'batch', ...head });
  let count = 0;
  for await (const device of devices) {
    yield await line({ type: 'device', ...device });
    count++;
  }
  yield await line({ type: 'end', devices: count });
}
