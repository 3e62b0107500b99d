import { request } from 'node:http';
import { request as requestOverTls } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Failure } from '../boot/ports.js';
import { type Address, hostAndPort } from './address.js';
import { sortConnectionError, timedOut } from './evidence.js';

/**
 * A way through an HTTP proxy. Source: RFC 9110, 9.3.6 (CONNECT).
 * @param proxy `http://[user:password@]host[:port]`, or `https://`; secret when it holds a password
 */
export function openTunnel(proxy: string, to: Address, signal: AbortSignal): Promise<{ outcome: 'open'; socket: Duplex } | Failure> {
  const { protocol, hostname, port, username, password } = new URL(proxy);
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const target = hostAndPort(to);
  const ask = protocol === 'https:' ? requestOverTls : request;
  return new Promise((resolve) => {
    const connecting = ask({
      method: 'CONNECT',
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
      path: target,
      headers: {
        host: target,
        ...(username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
      },
      agent: false,
      signal,
    });
    connecting.once('connect', ({ statusCode = 0, statusMessage }, socket, head) => {
      if (statusCode >= 200 && statusCode < 300) {
        if (head.length > 0) socket.unshift(head);
        resolve({ outcome: 'open', socket });
        return;
      }
      socket.destroy();
      resolve(refusal(statusCode, statusMessage));
    });
    // A proxy that answers CONNECT like any other request.
    connecting.once('response', (response) => {
      response.destroy();
      resolve(refusal(response.statusCode ?? 0, response.statusMessage));
    });
    connecting.once('error', (error) => {
      if (signal.aborted) resolve(timedOut());
      else resolve(unreachable(`the proxy ${hostname} cannot be reached: ${sortConnectionError(error).detail}`));
    });
    connecting.end();
  });
}

function refusal(status: number, message = ''): Failure {
  const remedy = status === 407 ? ': it wants a user name and a password (http://user:password@host:port)' : '';
  return unreachable(`the proxy answered ${status} ${message}`.trimEnd() + remedy);
}

function unreachable(detail: string): Failure {
  return { outcome: 'unreachable', detail };
}
