import { once } from 'node:events';
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HealthFault } from './faults.js';
import type { Health } from './standing.js';

/** The answer to a path that the socket serves. */
export interface SocketAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What can be asked, by path, with GET. */
export type SocketAnswers = Readonly<Record<string, () => SocketAnswer>>;

/** How long an agent may take to answer, milliseconds. */
const ANSWER_MS = 10_000;

/**
 * Tells the health over HTTP on a Unix socket, mode 0660: `curl --unix-socket PATH http://localhost/health`.
 * A socket that a killed agent left behind is taken over.
 * @throws HealthFault SOCKET_TAKEN, or the system's error when the socket cannot be made
 */
export async function openHealthSocket(path: string, answers: SocketAnswers): Promise<AsyncDisposable> {
  await clear(path);
  const server = serverOf(answers);
  const umask = process.umask(0o117);
  try {
    // Bound before `listen` returns: nobody finds the socket with another mode.
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  await once(server, 'listening');
  chmodSync(path, 0o660);
  return { [Symbol.asyncDispose]: () => closed(server) };
}

/**
 * Tells the same on a port of the loopback address, to whoever is on this machine.
 * @throws the system's error when the port cannot be had
 */
export async function openPort(port: number, answers: SocketAnswers): Promise<AsyncDisposable & { readonly port: number }> {
  const server = serverOf(answers);
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: () => closed(server) };
}

function serverOf(answers: SocketAnswers): Server {
  return createServer((asked, answer) => {
    const known = asked.method === 'GET' && Object.hasOwn(answers, asked.url ?? '') ? answers[asked.url ?? ''] : undefined;
    const { status, type, body } = known?.() ?? { status: 404, type: 'text/plain', body: `there are ${Object.keys(answers).join(', ')}\n` };
    answer.writeHead(status, { 'content-type': type, connection: 'close' }).end(body);
  });
}

/** A JSON answer for {@link SocketAnswers}. */
export function jsonAnswer(value: unknown, status = 200): SocketAnswer {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

/**
 * Asks an agent how it is.
 * @throws HealthFault NO_AGENT when nobody answers
 */
export async function askHealth(path: string): Promise<Health> {
  const nobody = (cause: unknown): HealthFault =>
    new HealthFault('NO_AGENT', 'no agent answers', {
      where: path,
      seen: (cause as NodeJS.ErrnoException).code ?? String(cause),
      remedy: 'systemctl status zerotouch-device; or name its socket with --socket. Only root and the group of the service may ask',
      cause,
    });
  try {
    const asked = request({ socketPath: path, path: '/health', timeout: ANSWER_MS }).end();
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
    const [answer] = await once(asked, 'response');
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) text += chunk;
    return JSON.parse(text) as Health;
  } catch (cause) {
    throw nobody(cause);
  }
}

async function clear(path: string): Promise<void> {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  const taken = (seen: string): HealthFault =>
    new HealthFault('SOCKET_TAKEN', 'the socket cannot be opened here', {
      where: path,
      seen,
      expected: 'nothing, or a socket that nobody uses',
    });
  if (!status.isSocket()) throw taken('something that is no socket');
  const alive = await askHealth(path).then(
    () => true,
    () => false,
  );
  if (alive) throw taken('an agent that runs');
  rmSync(path, { force: true });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
