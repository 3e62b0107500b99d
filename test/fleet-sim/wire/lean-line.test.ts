import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { makeServerIdentity } from '@zerotouch/cloud-sim/doors/authority';
import type { LineRequest } from '@zerotouch/firmware-sim/transport/wire-line';
import { Contexts } from '@zerotouch/fleet-sim/wire/contexts';
import { leanLines } from '@zerotouch/fleet-sim/wire/lean-line';
import { Pulse } from '@zerotouch/fleet-sim/wire/pulse';
import { Sockets } from '@zerotouch/fleet-sim/wire/sockets';
import { systemClock as clock } from '@zerotouch/foundation/clock';
import { Aedes } from 'aedes';
import { generate, type Packet, parser } from 'mqtt-packet';
import t from 'tap';

const open = leanLines({ sockets: new Sockets({ contexts: new Contexts(), clock }), pulse: new Pulse(clock) });
const signal = new AbortController().signal;

/** A broker that we did not write, behind TLS. */
async function broker(
  t: { teardown(end: () => void): void },
  names: readonly string[] = ['localhost'],
): Promise<{ aedes: Aedes; request: LineRequest; cut: () => void }> {
  const aedes = await Aedes.createBroker();
  const { certificate, privateKey, ca } = await makeServerIdentity(names);
  const sockets = new Set<TLSSocket>();
  const server: Server = createServer({ cert: certificate, key: privateKey }, (socket) => {
    sockets.add(socket);
    aedes.handle(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    aedes.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const attestation = { kind: 'symmetric-key', key: Buffer.alloc(32, 1) } as const;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    aedes,
    cut,
    request: { host: 'localhost', port, ca, attestation, transport: 'mqtt', clientId: 'pump-1', username: 'someone', password: 'a token' },
  };
}

t.test('a foreign broker understands every packet, and is understood', async (t) => {
  const { aedes, request } = await broker(t);
  const names: (string | undefined)[] = [];
  aedes.authenticate = (_, username, password, done) => {
    names.push(username, password?.toString());
    done(null, true);
  };
  const opened = await open(request, clock, signal);
  if (opened.outcome !== 'open') return t.fail(opened.detail);
  t.strictSame(names, ['someone', 'a token']);
  const { line } = opened;
  t.strictSame(await line.subscribe(['to/pump-1/#'], signal), { outcome: 'subscribed' });
  const heard = new Promise<[string, string]>((resolve) =>
    line.onMessage((topic, payload) => resolve([topic, Buffer.from(payload).toString()])),
  );
  t.equal(await new Promise((resolve) => line.publish('to/pump-1/x', 'grüße', resolve)), undefined, 'acknowledged');
  t.strictSame(await heard, ['to/pump-1/x', 'grüße']);
  const gone = once(aedes, 'clientDisconnect');
  await line.close();
  await gone;
});

t.test('the first subscription goes out with the sign-in, and nothing that comes with its answer is lost', async (t) => {
  const { aedes, request } = await broker(t);
  const filters = ['to/pump-1/#'];
  // A server that says all it has to say in one record.
  const heard: string[] = [];
  const { certificate, privateKey, ca } = await makeServerIdentity(['localhost']);
  const server = createServer({ cert: certificate, key: privateKey }, (socket) => {
    const reader = parser({ protocolVersion: 4 });
    const answers: Packet[] = [];
    reader.on('packet', (packet) => {
      heard.push(packet.cmd);
      if (packet.cmd === 'connect') answers.push({ cmd: 'connack', returnCode: 0, sessionPresent: false });
      if (packet.cmd !== 'subscribe') return;
      answers.push({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: [1] });
      answers.push({ cmd: 'publish', topic: 'to/pump-1/early', payload: 'at once', qos: 0, dup: false, retain: false });
      socket.write(Buffer.concat(answers.splice(0).map((answer) => generate(answer))));
    });
    socket.on('data', (chunk) => reader.parse(chunk));
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const opened = await open({ ...request, port, ca, filters }, clock, signal);
  if (opened.outcome !== 'open') return t.fail(opened.detail);
  const { line } = opened;
  t.strictSame(await line.subscribe(filters, signal), { outcome: 'subscribed' });
  t.strictSame(heard, ['connect', 'subscribe'], 'the server waited for both before it said anything');
  t.strictSame(
    await new Promise((resolve) => line.onMessage((topic) => resolve(topic))),
    'to/pump-1/early',
    'nobody listened yet when it came',
  );
  await line.close();

  aedes.authorizeSubscribe = (_, subscription, done) => done(null, subscription.topic.startsWith('to/') ? subscription : null);
  const foreign = ['of/others/#'];
  const refused = await open({ ...request, filters: foreign }, clock, signal);
  if (refused.outcome !== 'open') return t.fail(refused.detail);
  t.match(await refused.line.subscribe(foreign, signal), { outcome: 'ambiguous' }, 'a subscription that is not granted');
  t.strictSame(await refused.line.subscribe(['to/pump-1/more'], signal), { outcome: 'subscribed' }, 'another one goes out by itself');
  await refused.line.close();
});

t.test('a refusal, a lost connection and a server that is another are told apart', async (t) => {
  const { aedes, request, cut } = await broker(t);
  aedes.authenticate = (_, username, __, done) => done(null, username === 'someone');
  t.match(await open({ ...request, username: 'nobody' }, clock, signal), { outcome: 'refused' });
  const opened = await open(request, clock, signal);
  if (opened.outcome !== 'open') return t.fail(opened.detail);
  const lost = new Promise((resolve) => opened.line.life.onLost(resolve));
  cut();
  t.match(await lost, { outcome: 'dropped' });
  const { request: stranger } = await broker(t, ['elsewhere.example']);
  t.match(await open(stranger, clock, signal), { outcome: 'unreachable', detail: /altnames/ }, 'the name is not in the certificate');
  t.match(await open({ ...stranger, ca: request.ca ?? '' }, clock, signal), { outcome: 'unreachable' }, 'another authority');
  t.match(await open({ ...request, port: 1 }, clock, signal), { outcome: 'unreachable' });
});
