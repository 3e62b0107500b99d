import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { Attestation } from '../identity/attestation.js';

/**
 * What DPS issued to this device, for its hub alone: at DPS the device goes on to prove itself with what was burnt, so that a credential that is
 * lost or runs out can always be had again. Secret.
 */
export interface Credential {
  /** PEM: the leaf, then its intermediates. */
  readonly certificate: string;
  readonly privateKey: string;
}

/** The part of its lifetime that a certificate has left when it is to be renewed. */
const RENEW_WITHIN = 1 / 3;

/**
 * The credential out of the chain that DPS issued.
 * @param chain base64 of DER, the leaf first, the root last
 * @throws Error when that is no certificate, or one for another key
 */
export function credentialOf(chain: readonly string[], privateKey: string): Credential {
  const certificates = chain.map((text) => new X509Certificate(Buffer.from(text, 'base64')));
  const [leaf, ...above] = certificates;
  if (leaf === undefined) throw new Error('DPS issued no certificate');
  if (!leaf.checkPrivateKey(createPrivateKey(privateKey))) throw new Error('DPS issued a certificate for another key');
  // Who checks a chain has its root already.
  const intermediates = above.filter((certificate) => !certificate.checkIssued(certificate));
  return { certificate: [leaf, ...intermediates].map((certificate) => certificate.toString()).join(''), privateKey };
}

/** A credential as it was kept, `undefined` for anything else. */
export function readCredential(value: unknown): Credential | undefined {
  const { certificate, privateKey } = isJsonObject(value) ? value : {};
  return typeof certificate === 'string' && typeof privateKey === 'string' ? { certificate, privateKey } : undefined;
}

/** How a device proves itself to its hub with it. */
export function credentialAttestation({ certificate, privateKey }: Credential): Attestation {
  return { kind: 'x509', certificate, privateKey };
}

/** When it is to be renewed, and until when it is good, milliseconds since 1970. Both are 0 for one that cannot be read. */
export function lifetimeOf({ certificate }: Credential): { readonly renewAt: number; readonly until: number } {
  try {
    const { validFrom, validTo } = new X509Certificate(certificate);
    const [from, until] = [Date.parse(validFrom), Date.parse(validTo)];
    return { renewAt: until - (until - from) * RENEW_WITHIN, until };
  } catch {
    return { renewAt: 0, until: 0 };
  }
}
