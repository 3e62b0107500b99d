import { twinResponseTopic } from '@zerotouch/azure-wire/hub-mqtt';
import type { Failure, HubOutcome, HubSession } from '@zerotouch/firmware-sim/boot/ports';
import { type ClientName, clientNames } from '@zerotouch/firmware-sim/transport/client-names';
import t, { type Test } from 'tap';
import { makeAuthority } from './certificates.js';
import { CrookedServer, type Manners, quiet } from './crooked-server.js';
import { assignment, endpointOf, hubManners, keyIdentity, patient, ports } from './kit.js';
import { Observed } from './observed.js';

interface ConnectStory {
  manners: Manners;
  expected: Record<ClientName, HubOutcome['outcome']>;
  giveUp?: (server: CrookedServer) => Promise<void>;
}

const both = (kind: HubOutcome['outcome']): ConnectStory['expected'] => ({ sdk: kind, wire: kind });
const connack = (returnCode: number): Manners => ({
  connect: (guest) => guest.send({ cmd: 'connack', returnCode, sessionPresent: false }),
});

const connectStories: Record<string, ConnectStory> = {
  'CONNACK 5': { manners: connack(5), expected: { sdk: 'ambiguous', wire: 'refused' } },
  'CONNACK 4': { manners: connack(4), expected: { sdk: 'ambiguous', wire: 'refused' } },
  'CONNACK 3': { manners: connack(3), expected: both('unavailable') },
  'CONNACK 1': { manners: connack(1), expected: both('invalid') },
  'a good day': { manners: {}, expected: both('connected') },
  'a drop before the CONNACK': { manners: { connect: (guest) => guest.drop() }, expected: { sdk: 'ambiguous', wire: 'dropped' } },
  'no CONNACK': { manners: { connect: quiet }, expected: both('timed-out'), giveUp: (server) => server.heard('connect') },
  'no SUBACK': { manners: { subscribe: quiet }, expected: both('timed-out'), giveUp: (server) => server.heard('subscribe') },
  'a drop instead of the SUBACK': { manners: { subscribe: (guest) => guest.drop() }, expected: both('dropped') },
};

interface CallStory {
  manners: Manners;
  expected: { readonly outcome: string; readonly code?: number };
  giveUp?: (server: CrookedServer) => Promise<void>;
}

const twinReply = (status: number, body: string | object): Manners =>
  hubManners((guest, request) => {
    if (request.kind === 'twin-get' || request.kind === 'twin-patch') guest.publish(twinResponseTopic(status, request.rid), body);
  });

const silence = { outcome: 'timed-out' } as const;
const twinStories: Record<string, CallStory> = {
  '400': { manners: twinReply(400, { errorCode: 400004, message: 'Argument invalid' }), expected: { outcome: 'invalid', code: 400004 } },
  '401 without a body': { manners: twinReply(401, ''), expected: { outcome: 'refused', code: 401 } },
  '429': { manners: twinReply(429, { errorCode: 429001, message: 'Throttled' }), expected: { outcome: 'throttled', code: 429001 } },
  '503': { manners: twinReply(503, { errorCode: 503001, message: 'Later' }), expected: { outcome: 'unavailable', code: 503001 } },
  'no reply': { manners: {}, expected: silence, giveUp: (server) => server.heard('publish') },
  'a drop instead of the reply': { manners: { publish: (guest) => guest.drop() }, expected: { outcome: 'dropped' } },
};

const getTwinStories: Record<string, CallStory> = {
  ...twinStories,
  'a twin that is no JSON': { manners: twinReply(200, '{"desired":'), expected: { outcome: 'invalid' } },
  'a good day': { manners: twinReply(200, { desired: { $version: 1 }, reported: { $version: 1 } }), expected: { outcome: 'twin' } },
  'a twin without versions': { manners: twinReply(200, { desired: {}, reported: {} }), expected: { outcome: 'invalid' } },
};

const reportStories: Record<string, CallStory> = {
  ...twinStories,
  'a good day': { manners: twinReply(204, ''), expected: { outcome: 'reported' } },
};

const sendStories: Record<string, CallStory> = {
  'a good day': { manners: {}, expected: { outcome: 'sent' } },
  'no PUBACK': { manners: { publish: quiet }, expected: silence, giveUp: (server) => server.heard('publish') },
  'a drop instead of the PUBACK': { manners: { publish: (guest) => guest.drop() }, expected: { outcome: 'dropped' } },
};

const calls = {
  getTwin: (session: HubSession, signal: AbortSignal) => session.getTwin(signal),
  report: (session: HubSession, signal: AbortSignal) => session.report({ a: 1 }, signal),
  send: (session: HubSession, signal: AbortSignal) => session.send({ a: 1 }, signal),
};

for (const client of clientNames) {
  const observed = new Observed(client);

  const connect = (server: CrookedServer, signal = patient(), overrides = {}): Promise<HubOutcome> =>
    ports(client).hub.connect({ identity: keyIdentity(), endpoint: endpointOf(server, overrides), assignment }, signal);

  const connected = async (server: CrookedServer): Promise<HubSession> => {
    const outcome = await connect(server);
    if (outcome.outcome !== 'connected') throw new Error(`not connected: ${outcome.outcome} ${outcome.detail}`);
    return outcome.session;
  };

  const start = async (t: Test): Promise<CrookedServer> => {
    const server = await CrookedServer.start();
    t.teardown(() => server.close());
    return server;
  };

  t.test(`${client}: every way a connection to a hub fails has one outcome and keeps no socket`, async (t) => {
    const server = await start(t);
    for (const [name, { manners, expected, giveUp }] of Object.entries(connectStories)) {
      server.manners = manners;
      server.guests.length = 0;
      const abort = new AbortController();
      giveUp?.(server).then(() => abort.abort());
      const connection = await connect(server, abort.signal);
      const { outcome } = connection;
      t.equal(outcome, expected[client], name);
      if (connection.outcome === 'connected') await connection.session.close();
      observed.note(t, 'connect', outcome, name);
      await server.empty();
    }
    server.guests.length = 0;
    t.match(await connect(server, AbortSignal.abort()), silence, 'aborted already');
    t.same(server.guests, []);
  });

  for (const [call, stories] of Object.entries({ getTwin: getTwinStories, report: reportStories, send: sendStories })) {
    const method = call as keyof typeof calls;
    t.test(`${client}: every way ${call} fails has one outcome and keeps no socket`, async (t) => {
      const server = await start(t);
      for (const [name, { manners, expected, giveUp }] of Object.entries(stories)) {
        server.manners = {};
        server.guests.length = 0;
        const session = await connected(server);
        server.manners = manners;
        const abort = new AbortController();
        giveUp?.(server).then(() => abort.abort());
        const outcome = await calls[method](session, abort.signal);
        t.match(outcome, expected, name);
        observed.note(t, method, outcome.outcome, name);
        await session.close();
        await server.empty();
      }
    });
  }

  t.test(`${client}: a message that is too large is not sent`, async (t) => {
    const server = await start(t);
    const session = await connected(server);
    const { outcome } = await session.send({ text: 'x'.repeat(256 * 1024) }, patient());
    t.equal(outcome, 'invalid');
    observed.note(t, 'send', outcome, 'a message that is too large');
    await session.close();
    t.notOk(server.guests.some((guest) => guest.received.some(({ cmd }) => cmd === 'publish')));
  });

  t.test(`${client}: a lost connection is told once, and nothing reconnects`, async (t) => {
    const server = await start(t);
    const session = await connected(server);
    const losses: Failure[] = [];
    const lost = new Promise<void>((resolve) =>
      session.onLost((failure) => {
        losses.push(failure);
        resolve();
      }),
    );
    server.guests[0]?.drop();
    await lost;
    await server.empty();
    session.onLost((failure) => losses.push(failure));
    t.match(losses, [{ outcome: 'dropped' }, { outcome: 'dropped' }], 'told to the first listener, and at once to a late one');
    for (const method of ['getTwin', 'report', 'send'] as const) {
      t.match(await calls[method](session, patient()), { outcome: 'dropped' }, `${method} on a lost session`);
    }
    await session.close();
    t.equal(server.guests.length, 1);
    observed.note(t, 'lost', losses[0]?.outcome ?? '', 'a drop');
  });

  t.test(`${client}: a change of the desired properties that is no JSON ends the session`, async (t) => {
    const server = await start(t);
    const session = await connected(server);
    const lost = new Promise<Failure>((resolve) => session.onLost(resolve));
    server.guests[0]?.publish('$iothub/twin/PATCH/properties/desired/?$version=2', '{"a":');
    t.match(await lost, { outcome: 'invalid' });
    observed.note(t, 'lost', (await lost).outcome, 'no JSON');
    await server.empty();
  });

  t.test(`${client}: closing is no loss, answers what is under way, and may be repeated`, async (t) => {
    const server = await start(t);
    const session = await connected(server);
    session.onLost(() => t.fail('a loss was told'));
    server.manners = { publish: quiet };
    const sending = session.send({ a: 1 }, patient());
    await server.heard('publish');
    await Promise.all([session.close(), session.close()]);
    t.match(await sending, { outcome: 'dropped' });
    await server.empty();
    t.equal(server.guests[0]?.received.at(-1)?.cmd, 'disconnect', 'with a DISCONNECT');
  });

  t.test(`${client}: a hub that is not the service is never spoken to`, async (t) => {
    const server = await start(t);
    const stranger = await makeAuthority('Another root');
    const unknown = await connect(server, patient(), { ca: stranger.certificate });
    t.match(unknown, { outcome: 'unreachable' });
    observed.note(t, 'connect', unknown.outcome, 'certificate of another CA');
    t.match(await connect(server, patient(), { gateway: { host: 'no-such-host.invalid', port: 8883 } }), { outcome: 'unreachable' });
    t.match(await connect(server, patient(), { gateway: { host: 'localhost', port: 1 } }), {
      outcome: 'unreachable',
      detail: /ECONNREFUSED/,
    });
    t.same(
      server.guests.flatMap((guest) => guest.received),
      [],
    );
    await server.empty();
  });

  t.test(`${client}: a hub that ends TLS over the client certificate may mean the device, or not`, async (t) => {
    const server = await CrookedServer.start(undefined, undefined, true);
    t.teardown(() => server.close());
    const outcome = await connect(server);
    t.match(outcome, { outcome: 'ambiguous', detail: /ALERT/ });
    observed.note(t, 'connect', outcome.outcome, 'a TLS alert');
    await server.empty();
  });

  t.test(`${client}: no word of the matrix is a guess`, async (t) => observed.whole(t, 'connect', 'getTwin', 'report', 'send', 'lost'));
}
