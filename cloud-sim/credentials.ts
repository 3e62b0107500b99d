import type { X509Certificate } from 'node:crypto';
import { parseSas, type SasToken } from '@zerotouch/azure-wire/sas';
import { isFault } from '@zerotouch/foundation/fault';
import type { Reason } from './reasons.js';

/** The certificates a client sent in the handshake of this very connection; it proved possession of the leaf's key there. */
export interface PresentedCertificate {
  leaf: X509Certificate;
  /** What came after the leaf, in the order sent; nothing of it is verified. */
  sent: readonly X509Certificate[];
}

/** What a device shows to prove who it is: a token if there is one, else its certificate. */
export type Credential = { kind: 'sas'; token: SasToken } | { kind: 'x509'; certificate: PresentedCertificate };

/** A credential, or why there is none. */
export type ReadCredential = { credential: Credential } | { reason: Reason };

/**
 * The credential of a connection.
 * @param password what came as password, a SAS token
 */
export function readCredential(password: string | undefined, certificate: PresentedCertificate | undefined): ReadCredential {
  if (password !== undefined && password !== '') {
    try {
      return { credential: { kind: 'sas', token: parseSas(password) } };
    } catch (error) {
      if (!isFault(error)) throw error;
      return {
        reason: {
          rule: 'sas-form',
          text: `the password is no SAS token: ${error.message}`,
          ...(error.expected === undefined ? {} : { expected: error.expected }),
          seen: `a password of ${password.length} characters`,
          nearest: 'SharedAccessSignature sr=..&sig=..&se=..&skn=registration',
          remedy: 'send a shared access signature as password; a key or a connection string is none',
        },
      };
    }
  }
  if (certificate !== undefined) return { credential: { kind: 'x509', certificate } };
  return {
    reason: {
      rule: 'credential-missing',
      text: 'the connection shows neither a SAS token nor a client certificate in its own TLS handshake',
      expected: 'a SAS token as password, or a client certificate in the handshake of this connection',
      seen: 'a connection without either',
      nearest: 'the same connection with a full TLS handshake that sends the certificate',
      remedy: 'hand certificate and key to the TLS client; a resumed TLS session proves nothing here',
    },
  };
}
