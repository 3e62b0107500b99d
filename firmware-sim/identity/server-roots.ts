import { X509Certificate } from 'node:crypto';
import { IdentityFault } from './faults.js';

/** The roots that were burnt: a server's certificate must end at one of them. */
export interface ServerRoots {
  /** Those that can be read, PEM. */
  readonly pem: string;
  /** The same. */
  readonly certificates: readonly X509Certificate[];
  /** How many cannot be read. */
  readonly unreadable: number;
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * Reads `dps/srv_roots`. One that cannot be read is left out, and the others serve; without any, the device must not fall back on whom its
 * factory did not choose.
 * @throws IdentityFault IDENTITY_SERVER_ROOTS where none can be read
 */
export function readServerRoots(text: string): ServerRoots {
  const blocks = text.match(BLOCK) ?? [];
  const certificates = blocks.flatMap((pem) => {
    try {
      return [new X509Certificate(pem)];
    } catch {
      return [];
    }
  });
  if (certificates.length === 0) {
    throw new IdentityFault('IDENTITY_SERVER_ROOTS', 'none of the server roots in the image can be read', {
      where: 'partition fctry, dps/srv_roots',
      expected: 'CA certificates in PEM, one after the other',
      remedy: 'burn the device again',
    });
  }
  return { pem: certificates.map(String).join(''), certificates, unreadable: blocks.length - certificates.length };
}
