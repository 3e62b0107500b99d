import type { X509Certificate } from 'node:crypto';
import type { PresentedCertificate } from '../credentials.js';
import type { Secured } from './channel.js';
import { FrontedSocket } from './fronts/fronted-socket.js';

/** More certificates than any chain has: what comes after is not looked at. */
const MAX_SENT = 10;

/**
 * The certificates that the client sent in the handshake of this connection.
 *
 * A resumed TLS session keeps the certificate of the connection it was made on, and Node even calls it authorised, without the
 * client having shown anything: it counts as none.
 */
export function presentedCertificate(socket: Secured): PresentedCertificate | undefined {
  if (socket instanceof FrontedSocket) return socket.presented;
  if (socket.isSessionReused()) return undefined;
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return undefined;
  const sent: X509Certificate[] = [];
  for (let next = leaf.issuerCertificate; next !== undefined && sent.length < MAX_SENT; next = next.issuerCertificate) sent.push(next);
  return { leaf, sent };
}
