import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Failure } from '@zerotouch/firmware-sim/boot/ports';
import { clientPorts } from '@zerotouch/firmware-sim/transport/clients';
import { systemClock } from '@zerotouch/foundation/clock';
import t, { type Test } from 'tap';
import { type Authority, makeAuthority } from './certificates.js';
import { keyIdentity, patient } from './kit.js';
import { Observed } from './observed.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

interface Story {
  /** What DPS answers to the first request, to the second, and so on; the last one to all that follow. */
  readonly answers: readonly Answer[];
  readonly expected: Partial<Failure>;
  /** Aborts the attempt when so many requests have come. */
  readonly giveUpAfter?: number;
}

const said =
  (status: number, body: string | object, headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
const ended = (registrationState: object, status = 'failed'): Answer => said(200, { operationId: 'op', status, registrationState });
const assigning = said(202, { operationId: 'op', status: 'assigning' }, { 'retry-after': '0' });
const silence: Answer = () => undefined;
const drop: Answer = ({ socket }) => socket.destroy();

const stories: Record<string, Story> = {
  '401': { answers: [said(401, { errorCode: 401002, message: 'no' })], expected: { outcome: 'refused', code: 401002 } },
  '403 without a body': { answers: [said(403, '')], expected: { outcome: 'refused', code: 403 } },
  '404 to a poll': { answers: [assigning, said(404, { errorCode: 404201 })], expected: { outcome: 'refused', code: 404201 } },
  disabled: { answers: [ended({}, 'disabled')], expected: { outcome: 'refused' } },
  '429 with retry-after': {
    answers: [said(429, { errorCode: 429001 }, { 'retry-after': '7' })],
    expected: { outcome: 'throttled', code: 429001, retryAfterMs: 7000 },
  },
  '429 to a poll': { answers: [assigning, said(429, { errorCode: 429001 })], expected: { outcome: 'throttled' } },
  '500': { answers: [said(500, { errorCode: 500000 })], expected: { outcome: 'unavailable', code: 500000 } },
  '502 of a proxy, HTML': { answers: [said(502, '<html>')], expected: { outcome: 'unavailable', code: 502 } },
  'failed, no hub to give': { answers: [ended({ errorCode: 400208 })], expected: { outcome: 'unavailable', code: 400208 } },
  '400': { answers: [said(400, { errorCode: 400004 })], expected: { outcome: 'invalid', code: 400004 } },
  'a page instead of JSON': { answers: [said(200, '<html>Welcome to the hotel</html>')], expected: { outcome: 'invalid' } },
  'an empty answer': { answers: [said(200, '')], expected: { outcome: 'invalid' } },
  'a redirection': { answers: [said(302, '', { location: 'https://example.com/' })], expected: { outcome: 'invalid', code: 302 } },
  'assigning without an operation': { answers: [said(202, { status: 'assigning' })], expected: { outcome: 'invalid' } },
  'a hub without a device id': { answers: [ended({ assignedHub: 'hub' }, 'assigned')], expected: { outcome: 'invalid' } },
  'what is no HTTP': { answers: [({ socket }) => socket.end('220 mail.example.com ESMTP\r\n')], expected: { outcome: 'invalid' } },
  'a drop': { answers: [drop], expected: { outcome: 'dropped' } },
  'a drop in the middle of an answer': {
    answers: [
      ({ socket }, response) => {
        response.writeHead(200, { 'content-length': '100' }).write('{"op', () => socket.destroy());
      },
    ],
    expected: { outcome: 'dropped' },
  },
  'a drop of a poll': { answers: [assigning, drop], expected: { outcome: 'dropped' } },
  'no answer': { answers: [silence], giveUpAfter: 1, expected: { outcome: 'timed-out' } },
  'no answer to a poll': { answers: [assigning, silence], giveUpAfter: 2, expected: { outcome: 'timed-out' } },
};

/** A DPS over HTTPS that answers as it is told. */
class CrookedHttp {
  answers: readonly Answer[] = [];
  heard = 0;
  onRequest: (count: number) => void = () => undefined;
  readonly authority: Authority;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #empty: (() => void) | undefined;

  private constructor(authority: Authority, server: Server) {
    this.authority = authority;
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#open.delete(socket);
        if (this.#open.size === 0) this.#empty?.();
      });
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      request.resume();
      request.on('error', () => undefined);
      response.on('error', () => undefined);
      this.heard++;
      (this.answers[this.heard - 1] ?? this.answers.at(-1))?.(request, response);
      this.onRequest(this.heard);
    });
  }

  static async start(t: Test, rejectUnauthorized = false): Promise<CrookedHttp> {
    const authority = await makeAuthority('Test root');
    const { certificate: cert, privateKey: key } = await authority.issue('Test server', { names: ['localhost'] });
    const server = new CrookedHttp(authority, createServer({ cert, key, requestCert: true, rejectUnauthorized }));
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    t.teardown(() => server.#close());
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when no device holds a socket any more. */
  async empty(): Promise<void> {
    if (this.#open.size > 0)
      await new Promise<void>((resolve) => {
        this.#empty = resolve;
      });
  }

  async #close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

const observed = new Observed('sdk http');
const { dps } = clientPorts('sdk', systemClock, 'http');

function register({ port, authority }: Pick<CrookedHttp, 'port' | 'authority'>, signal = patient()) {
  const endpoint = { dpsHost: 'localhost', dpsPort: port, ports: { https: port }, ca: authority.certificate };
  return dps.register({ identity: keyIdentity(), endpoint }, () => undefined, signal);
}

t.test('every way a registration ends has one word and keeps no socket', async (t) => {
  const server = await CrookedHttp.start(t);
  const play = async (name: string, { answers, expected, giveUpAfter }: Omit<Story, 'expected'> & { expected: object }) => {
    server.answers = answers;
    server.heard = 0;
    const abort = new AbortController();
    server.onRequest = (count) => count === giveUpAfter && abort.abort();
    const outcome = await register(server, abort.signal);
    t.match(outcome, expected, name);
    observed.note(t, 'register', outcome.outcome, name);
    await server.empty();
  };
  for (const [name, story] of Object.entries(stories)) await play(name, story);
  const answers = [assigning, ended({ assignedHub: 'hub-weu.azure-devices.net', deviceId: 'dev-1' }, 'assigned')];
  await play('a good day', { answers, expected: { outcome: 'assigned', deviceId: 'dev-1' } });
});

t.test("who is not the service, and who will not have this device's certificate", async (t) => {
  const server = await CrookedHttp.start(t);
  const stranger = await makeAuthority('Another root');
  const unknown = await register({ port: server.port, authority: stranger });
  t.match(unknown, { outcome: 'unreachable' });
  const closed = await CrookedHttp.start(t, true);
  const unwelcome = await register(closed);
  t.match(unwelcome, { outcome: 'ambiguous', detail: /ALERT/ });
  for (const { outcome } of [unknown, unwelcome]) observed.note(t, 'register', outcome, 'TLS');
  t.equal(server.heard + closed.heard, 0, 'neither was asked anything');
  await Promise.all([server.empty(), closed.empty()]);
});

t.test('no word of the matrix is a guess', async (t) => observed.whole(t, 'register'));
