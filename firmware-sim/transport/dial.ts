import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Endpoint, Failure } from '../boot/ports.js';
import type { Attestation } from '../identity/attestation.js';
import type { Address } from './address.js';
import { sortConnectionError, timedOut } from './evidence.js';
import { certificatesOf, judgeServer, namedLast, rootName, rootOf } from './judge-server.js';
import { clientCertificate } from './sign-in.js';
import { isTimeKnown } from './time-known.js';
import { openTunnel } from './tunnel.js';

/**
 * How long one of a host's addresses is tried before the next one is too, milliseconds. Node's own 250 ms is less than the round trip of a
 * slow network, where no attempt would ever end well.
 */
const NEXT_ADDRESS_MS = 2_500;

/** More than that between the machine's clock and the device's, milliseconds, and it is the device's that counts. */
const CLOCK_TOLERANCE_MS = 60_000;

/** Whom to connect to, and as whom. */
export interface DialRequest extends Address, Pick<Endpoint, 'ca' | 'onRoot' | 'proxy'> {
  readonly attestation: Attestation;
}

export type Dialled = { readonly outcome: 'open'; readonly socket: TLSSocket } | Failure;

/**
 * One TLS connection, the server's certificate checked: every transport's sockets come from here, so what goes wrong before the first byte
 * is sorted in one place, whatever library speaks afterwards. Never rejects; aborting `signal` ends it as `timed-out`, its socket freed.
 */
export async function dial(request: DialRequest, clock: Clock, signal: AbortSignal): Promise<Dialled> {
  const strict = await handshake(request, true, signal);
  if ('socket' in strict) return opened(strict.socket, request);
  if ('outcome' in strict) return strict;
  if (request.onRoot !== undefined && isUntrusted(strict.error)) return unpinned(request, strict.error, signal);
  if (!isDateError(strict.error)) return sortConnectionError(strict.error);
  // OpenSSL judged by the machine's clock. Where the device knows the time better, or knows that nobody does, it judges itself.
  const known = isTimeKnown(clock);
  if (known && Math.abs(clock.now() - Date.now()) < CLOCK_TOLERANCE_MS) return sortConnectionError(strict.error, new Date(clock.now()));
  const lenient = await handshake(request, false, signal);
  if ('outcome' in lenient) return lenient;
  if ('error' in lenient) return sortConnectionError(lenient.error);
  const { socket } = lenient;
  const complaint = complaintAbout(socket, request, known ? clock.now() : undefined);
  if (complaint === undefined) return opened(socket, request);
  socket.destroy();
  return { outcome: 'unreachable', detail: complaint };
}

function opened(socket: TLSSocket, { ca, onRoot }: DialRequest): Dialled {
  const leaf = onRoot === undefined ? undefined : socket.getPeerX509Certificate();
  const root = leaf === undefined ? undefined : rootOf(leaf, ca);
  if (root !== undefined) onRoot?.(root);
  return { outcome: 'open', socket };
}

/** OpenSSL does not say whose certificate it turned down: a second look, at nothing but that, names both sides. */
async function unpinned(request: DialRequest, error: unknown, signal: AbortSignal): Promise<Failure> {
  const second = await handshake(request, false, signal);
  if (!('socket' in second)) return sortConnectionError(error);
  const leaf = second.socket.getPeerX509Certificate();
  second.socket.destroy();
  return leaf === undefined ? sortConnectionError(error) : { outcome: 'unreachable', detail: notPinned(leaf, request.ca) };
}

function notPinned(leaf: X509Certificate, ca = ''): string {
  const burnt = certificatesOf(ca).map(rootName).join('; ');
  return `the server's certificate chain ends at ${namedLast(leaf)}, which is none of the server roots in the image: ${burnt}`;
}

function complaintAbout(socket: TLSSocket, { ca, onRoot }: DialRequest, at: number | undefined): string | undefined {
  // The name is checked by Node in any case, and told first.
  const problem = socket.authorizationError as unknown as string | undefined;
  if (problem !== undefined && !isDateError({ code: problem })) return `the server's certificate is not accepted: ${problem}`;
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return 'the server showed no certificate';
  const verdict = judgeServer(leaf, ca, at);
  if (verdict === 'trusted') return undefined;
  if (verdict === 'unknown-authority' && onRoot !== undefined) return notPinned(leaf, ca);
  if (verdict === 'unknown-authority') return "the server's certificate is of an authority that this device does not trust";
  const { subject, kind, date } = verdict;
  return `the server's certificate (${subject}) is ${kind}: ${date.toISOString()}, and by this device's clock it is ${new Date(at ?? 0).toISOString()}`;
}

type Handshake = { readonly socket: TLSSocket } | { readonly error: unknown } | Failure;

async function handshake(request: DialRequest, strict: boolean, signal: AbortSignal): Promise<Handshake> {
  if (signal.aborted) return timedOut();
  const { host, port, ca, attestation, proxy } = request;
  let through: Duplex | undefined;
  if (proxy !== undefined) {
    const tunnel = await openTunnel(proxy, { host, port }, signal);
    if (tunnel.outcome !== 'open') return tunnel;
    through = tunnel.socket;
  }
  const options: ConnectionOptions & { autoSelectFamilyAttemptTimeout?: number } = {
    ...(through === undefined ? { host, port, autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS } : { host, socket: through }),
    // An address is checked against the certificate's addresses, and SNI may not carry one (RFC 6066).
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...clientCertificate(attestation),
    rejectUnauthorized: strict,
    minVersion: 'TLSv1.2',
  };
  return new Promise((resolve) => {
    const socket = connect(options);
    socket.setNoDelay(true);
    const finish = (result: Handshake): void => {
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    const onAbort = (): void => {
      socket.destroy();
      finish(timedOut());
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('secureConnect', () => finish({ socket }));
    // Kept to the end: an error that comes between two owners must not end the process. Each owner adds a listener of its own.
    socket.on('error', (error) => finish({ error }));
    socket.once('close', () =>
      finish({ error: Object.assign(new Error('the server closed the connection in the TLS handshake'), { code: 'ECONNRESET' }) }),
    );
  });
}

/** OpenSSL's words for a chain that leads to nobody it was told to trust. */
const UNTRUSTED =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_SIGNATURE_FAILURE)$/;

function isUntrusted(error: unknown): boolean {
  return UNTRUSTED.test(String(Reflect.get(Object(error), 'code')));
}

function isDateError(error: unknown): boolean {
  const code: unknown = Reflect.get(Object(error), 'code');
  return code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED';
}
