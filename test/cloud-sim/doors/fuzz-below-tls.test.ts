import { setImmediate } from 'node:timers/promises';
import { LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import { Tokens } from '@zerotouch/cloud-sim/api/arm/tokens';
import { makeServerAuthority, makeServerIdentity } from '@zerotouch/cloud-sim/doors/authority';
import { makeServers } from '@zerotouch/cloud-sim/doors/doors';
import { FrontedSocket } from '@zerotouch/cloud-sim/doors/fronts/fronted-socket';
import { type Carrier, FRAME } from '@zerotouch/cloud-sim/doors/fronts/lane';
import { cloudSettings, DEFAULT_HUBS } from '@zerotouch/cloud-sim/options';
import { makeServices } from '@zerotouch/cloud-sim/services';
import { memoryStore } from '@zerotouch/cloud-sim/store/memory';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { heapNeeded } from '../../support/heap.js';
import { type Case, dialogue, hostile, hubDialogue, managerDialogue, sayings } from './hostile.js';

// The same hostile clients as over TLS, handed in as a front hands in what it has decrypted: some hundred times as many in the same time.

/** Cases a door; `npm run fuzz` asks for more, ZT_FUZZ_SEED for others. */
const CASES = Number(process.env.ZT_FUZZ_BELOW_TLS ?? 1000);
const SEED = Number(process.env.ZT_FUZZ_SEED ?? 20_260_101);
const AT_ONCE = 50;
/** The resource manager checks a signature for each request. */
const SLOWER = 10;
const HEAP_BYTES = 128 * 1024 * 1024;

const { host: hub = '', subscription = '' } = DEFAULT_HUBS[0] ?? {};

for (const door of ['mqtt', 'amqp', 'https'] as const) {
  for (const [where, pieces] of [
    ['DPS', dialogue(door, LOCAL_ID_SCOPE, 'victim')],
    ['a hub', hubDialogue(door, hub, 'victim')],
  ] as const) {
    t.test(`hostile bytes at the ${door} door of ${where}: refused, nothing kept`, { timeout: CASES * 1000 }, async (t) => {
      const { servers, store, journal } = await behindTls(t);
      await attack(servers[door].emit.bind(servers[door]), { changes: [], cuts: boundaries(pieces), leaving: 'wait' }, pieces);
      t.not((await store.attempts.list('victim')).length, 0, 'unaltered, it comes as far as being judged');
      const before = heapNeeded();
      await fc.assert(
        fc.asyncProperty(fc.array(hostile, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (cases) => {
          await Promise.all(cases.map((one) => attack(servers[door].emit.bind(servers[door]), one, pieces)));
          return (await store.registrations.count()) === 0 && (await store.devices.count()) === 0;
        }),
        { seed: SEED, numRuns: Math.ceil(CASES / AT_ONCE), endOnFailure: true },
      );
      t.ok(heapNeeded() - before < HEAP_BYTES, 'the heap stays bounded');
      t.strictSame(journal.errors, [], 'nothing was logged as an error of ours');
    });
  }
}

for (const who of ['strangers', 'operators'] as const) {
  t.test(`hostile bytes of ${who} at the resource manager and its sign-in`, { timeout: CASES * 1000 }, async (t) => {
    const { servers, services, journal } = await behindTls(t);
    const { clientId: client, secret } = services.operator;
    const token = await new Tokens(services).issue(client, 'https://localhost');
    const pieces =
      who === 'operators'
        ? managerDialogue(subscription, token, { client, secret })
        : managerDialogue(subscription, `${token.slice(0, -8)}AAAAAAAA`, { client, secret: 'wrong' });
    const emit = servers.https.emit.bind(servers.https);
    await attack(emit, { changes: [], cuts: boundaries(pieces), leaving: 'wait' }, pieces, Number.POSITIVE_INFINITY);
    const { store, park, dps } = services;
    const state = async () => JSON.stringify([await store.hubs.list(), await store.service.list(), await store.resourceGroups.list()]);
    t.equal(park.running.has('fuzz-hub.azure-devices.net'), who === 'operators', 'unaltered, it is done for operators alone');
    const [before, first] = [heapNeeded(), await state()];
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (cases) => {
        await Promise.all(cases.map((one) => attack(emit, one, pieces)));
        if (who === 'strangers') return (await state()) === first;
        // Whatever was made, changed or deleted, what is kept and what runs are one.
        const hosts = (await store.hubs.list()).map(({ host }) => host);
        const names = (await store.service.list()).map(({ name }) => name);
        return (
          same(hosts, [...park.running.keys()]) &&
          same(
            names,
            dps.list().map(({ name }) => name),
          )
        );
      }),
      { seed: SEED, numRuns: Math.ceil(CASES / SLOWER / AT_ONCE), endOnFailure: true },
    );
    t.ok(heapNeeded() - before < HEAP_BYTES, 'the heap stays bounded');
    t.strictSame(journal.errors, [], 'nothing was logged as an error of ours');
  });
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return [...one].sort().join() === [...other].sort().join();
}

/** A cloud's servers without their sockets, and what is logged as an error. */
async function behindTls(t: Test) {
  const errors: string[] = [];
  const settings = cloudSettings({ connectTimeoutSeconds: 5 });
  const store = memoryStore();
  const { pino } = await import('pino');
  const log = pino({ level: 'error' }, { write: (line: string) => void errors.push(line) });
  const services = await makeServices(store, { log }, settings);
  const identity = await makeServerIdentity(['localhost'], [], await makeServerAuthority());
  const servers = makeServers(services, settings, identity);
  t.teardown(async () => {
    services.park.close();
    await Promise.all([servers.sweep.close(), services.dps.close()]);
  });
  return { servers, services, store, journal: { errors } };
}

/** Says it, and resolves when the connection is gone. @param patience turns of the event loop until the client goes */
async function attack(
  emit: (name: string, socket: FrontedSocket) => boolean,
  one: Case,
  pieces: readonly Buffer[],
  patience = 20,
): Promise<void> {
  let gone = (): void => {};
  const closed = new Promise<void>((resolve) => {
    gone = resolve;
  });
  const client: { socket?: FrontedSocket } = {};
  const carrier: Carrier = {
    send: (_, kind, payload) => {
      // A client that reads all.
      const size = kind === FRAME.data ? (payload?.length ?? 0) : 0;
      if (size > 0) queueMicrotask(() => client.socket?.credited(size));
      if (kind === FRAME.close) gone();
    },
    whenRoom: (go) => queueMicrotask(go),
    forget: () => {},
  };
  const socket = new FrontedSocket(carrier, 1, Buffer.from(JSON.stringify({ door: 0, localAddress: '127.0.0.1', certificates: [] })));
  client.socket = socket;
  socket.on('error', () => {});
  socket.once('close', gone);
  emit('secureConnection', socket);
  for (const part of sayings(one, pieces)) {
    if (socket.destroyed) break;
    socket.heard(Buffer.from(part));
    // An answer, such as credit, may be what the next words need.
    for (let turn = 0; one.leaving === 'wait' && turn < 5; turn++) await setImmediate();
  }
  if (one.leaving === 'end' && !socket.destroyed) socket.endHeard();
  for (let turn = 0; turn < patience && !socket.destroyed; turn++) await setImmediate();
  // What is left may be a session in due form, which the cloud keeps: the client goes at last.
  if (!socket.destroyed) socket.gone(new Error('the client went'));
  await closed;
}

/** Cuts between the pieces, as fractions. */
function boundaries(pieces: readonly Buffer[]): number[] {
  const total = Buffer.concat(pieces).length;
  let sum = 0;
  return pieces.map((piece) => {
    sum += piece.length;
    return sum / total;
  });
}
