import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { dpsResponseTopic } from '@zerotouch/azure-wire/dps-mqtt';
import type { DpsOutcome, DpsProgress, Endpoint, Failure } from '@zerotouch/firmware-sim/boot/ports';
import { clientNames } from '@zerotouch/firmware-sim/transport/client-names';
import t from 'tap';
import { freePort } from '../../support/free-port.js';
import { makeAuthority } from './certificates.js';
import { CrookedServer, type Manners, quiet } from './crooked-server.js';
import { assignment, dpsManners, endpointOf, keyIdentity, patient, ports } from './kit.js';
import { Observed } from './observed.js';

interface Story {
  manners: Manners;
  expected: Partial<Omit<Failure, 'outcome'>> & { outcome: DpsOutcome['outcome'] };
  /** Aborts the attempt when it resolves. */
  giveUp?: (server: CrookedServer) => Promise<void>;
  /** Done when DPS is at it. */
  meanwhile?: (server: CrookedServer) => void;
}

const connack = (returnCode: number): Manners => ({
  connect: (guest) => guest.send({ cmd: 'connack', returnCode, sessionPresent: false }),
});
const reply = (status: number, body: string | object, retryAfter?: number): Manners =>
  dpsManners((guest, { rid }) => guest.publish(dpsResponseTopic(status, rid, retryAfter), body));
const ended = (registrationState: object, status = 'failed'): Manners => reply(200, { operationId: 'op', status, registrationState });

const stories: Record<string, Story> = {
  'CONNACK 5': { manners: connack(5), expected: { outcome: 'refused' } },
  'CONNACK 4': { manners: connack(4), expected: { outcome: 'refused' } },
  'CONNACK 3': { manners: connack(3), expected: { outcome: 'unavailable' } },
  'CONNACK 1': { manners: connack(1), expected: { outcome: 'invalid' } },
  'a drop before the CONNACK': { manners: { connect: (guest) => guest.drop() }, expected: { outcome: 'dropped' } },
  'no CONNACK': { manners: { connect: quiet }, expected: { outcome: 'timed-out' }, giveUp: (server) => server.heard('connect') },
  'no SUBACK': { manners: { subscribe: quiet }, expected: { outcome: 'timed-out' }, giveUp: (server) => server.heard('subscribe') },
  'a drop instead of the SUBACK': { manners: { subscribe: (guest) => guest.drop() }, expected: { outcome: 'dropped' } },
  'no PUBACK and no reply': {
    manners: { publish: quiet },
    expected: { outcome: 'timed-out' },
    giveUp: (server) => server.heard('publish'),
  },
  'a PUBACK and no reply': { manners: {}, expected: { outcome: 'timed-out' }, giveUp: (server) => server.heard('publish') },
  'a drop instead of the reply': { manners: { publish: (guest) => guest.drop() }, expected: { outcome: 'dropped' } },
  'a drop between two polls': {
    manners: reply(202, { operationId: 'op', status: 'assigning' }, 3600),
    meanwhile: (server) => server.guests[0]?.drop(),
    expected: { outcome: 'dropped' },
  },
  'a poll in an hour': {
    manners: reply(202, { operationId: 'op', status: 'assigning' }, 3600),
    giveUp: (server) => server.heard('publish'),
    expected: { outcome: 'timed-out' },
  },
  'no answer to a poll': {
    manners: dpsManners((guest, { kind, rid }) => {
      if (kind === 'register') guest.publish(dpsResponseTopic(202, rid, 0), { operationId: 'op', status: 'assigning' });
    }),
    giveUp: (server) => server.heard('publish', 2),
    expected: { outcome: 'timed-out' },
  },
  '401': { manners: reply(401, { errorCode: 401002, message: 'Unauthorized' }), expected: { outcome: 'refused', code: 401002 } },
  '403': { manners: reply(403, {}), expected: { outcome: 'refused', code: 403 } },
  '404': { manners: reply(404, { errorCode: 404201, message: 'Not found' }), expected: { outcome: 'refused', code: 404201 } },
  '400': { manners: reply(400, { errorCode: 400004, message: 'Bad Request' }), expected: { outcome: 'invalid', code: 400004 } },
  '429 with retry-after': {
    manners: reply(429, { errorCode: 429001, message: 'Throttled' }, 7.5),
    expected: { outcome: 'throttled', code: 429001, retryAfterMs: 7500 },
  },
  '429 to a poll': {
    manners: dpsManners((guest, { kind, rid }) => {
      if (kind === 'register') guest.publish(dpsResponseTopic(202, rid, 0), { operationId: 'op', status: 'assigning' });
      else guest.publish(dpsResponseTopic(429, rid, 4), { errorCode: 429001, message: 'Throttled' });
    }),
    expected: { outcome: 'throttled', retryAfterMs: 4000 },
  },
  '500': { manners: reply(500, { errorCode: 500000, message: 'Internal' }), expected: { outcome: 'unavailable', code: 500000 } },
  '503 without a body': { manners: reply(503, ''), expected: { outcome: 'unavailable', code: 503 } },
  'a reply that is no JSON': { manners: reply(200, '{"status":'), expected: { outcome: 'invalid' } },
  'a reply without a status': { manners: reply(200, { operationId: 'op' }), expected: { outcome: 'invalid' } },
  'assigning without an operation': { manners: reply(202, { status: 'assigning' }), expected: { outcome: 'invalid' } },
  'a hub without a device id': {
    manners: ended({ assignedHub: 'hub-weu.azure-devices.net' }, 'assigned'),
    expected: { outcome: 'invalid' },
  },
  'failed, unauthorised': {
    manners: ended({ errorCode: 401002, errorMessage: 'Unauthorized' }),
    expected: { outcome: 'refused', code: 401002 },
  },
  'failed, no hub to give': {
    manners: ended({ errorCode: 400208, errorMessage: 'No hub' }),
    expected: { outcome: 'unavailable', code: 400208 },
  },
  disabled: { manners: ended({}, 'disabled'), expected: { outcome: 'refused' } },
  'a good day': {
    manners: ended({ assignedHub: 'hub-weu.azure-devices.net', deviceId: 'dev-1' }, 'assigned'),
    expected: { outcome: 'assigned' },
  },
};

for (const client of clientNames) {
  const observed = new Observed(client);

  t.test(`${client}: every way a registration fails has one outcome and keeps no socket`, async (t) => {
    const server = await CrookedServer.start();
    t.teardown(() => server.close());
    for (const [name, { manners, expected, giveUp, meanwhile }] of Object.entries(stories)) {
      server.manners = manners;
      server.guests.length = 0;
      const abort = new AbortController();
      giveUp?.(server).then(() => abort.abort());
      const progress = (sign: DpsProgress): void => {
        if (sign === 'assigning') meanwhile?.(server);
      };
      const outcome = await ports(client).dps.register({ identity: keyIdentity(), endpoint: endpointOf(server) }, progress, abort.signal);
      t.match(outcome, expected, name);
      observed.note(t, 'register', outcome.outcome, name);
      await server.empty();
    }
  });

  t.test(`${client}: a subscription that is not granted`, async (t) => {
    const server = await CrookedServer.start();
    t.teardown(() => server.close());
    server.manners = { subscribe: (guest, { messageId = 0 }) => guest.send({ cmd: 'suback', messageId, granted: [128] }) };
    const abort = new AbortController();
    // The SDK does not look at it and goes on.
    if (client === 'sdk') server.heard('publish').then(() => abort.abort());
    const outcome = await ports(client).dps.register(
      { identity: keyIdentity(), endpoint: endpointOf(server) },
      () => undefined,
      abort.signal,
    );
    t.equal(outcome.outcome, client === 'sdk' ? 'timed-out' : 'ambiguous');
    await server.empty();
  });

  t.test(`${client}: who is not the service is never spoken to`, async (t) => {
    const server = await CrookedServer.start();
    const elsewhere = await CrookedServer.start(['hub-weu.azure-devices.net'], []);
    t.teardown(() => Promise.all([server.close(), elsewhere.close()]));
    const register = (endpoint: Endpoint): Promise<DpsOutcome> =>
      ports(client).dps.register({ identity: keyIdentity(), endpoint }, () => undefined, patient());

    const stranger = await makeAuthority('Another root');
    const unknown = await register(endpointOf(server, { ca: stranger.certificate }));
    t.match(unknown, { outcome: 'unreachable' }, 'certificate of another CA');
    observed.note(t, 'register', unknown.outcome, 'certificate of another CA');
    const { ca: _, ...defaultTrust } = endpointOf(server);
    t.match(await register(defaultTrust), { outcome: 'unreachable' }, 'certificate that the runtime does not trust');
    t.match(await register(endpointOf(elsewhere)), { outcome: 'unreachable', detail: /altnames/ }, 'certificate for another name');
    t.match(
      await register(endpointOf(server, { dpsHost: 'no-such-host.invalid' })),
      { outcome: 'unreachable' },
      'a name that does not exist',
    );
    t.match(
      await register(endpointOf(server, { dpsPort: await freePort() })),
      { outcome: 'unreachable', detail: /ECONNREFUSED/ },
      'a closed port',
    );
    t.same(
      server.guests.concat(elsewhere.guests).flatMap((guest) => guest.received),
      [],
      'no packet was sent',
    );
    await Promise.all([server.empty(), elsewhere.empty()]);
  });

  t.test(`${client}: a server that ends TLS over the client certificate may mean the device, or not`, async (t) => {
    const server = await CrookedServer.start(undefined, undefined, true);
    t.teardown(() => server.close());
    const request = { identity: keyIdentity(), endpoint: endpointOf(server) };
    const unwelcome = await ports(client).dps.register(request, () => undefined, patient());
    t.match(unwelcome, { outcome: 'ambiguous', detail: /ALERT/ });
    observed.note(t, 'register', unwelcome.outcome, 'a TLS alert');
    await server.empty();
  });

  t.test(`${client}: a port that takes connections and says nothing`, async (t) => {
    let connections = 0;
    const silent = createServer((socket) => {
      connections++;
      socket.on('error', () => undefined).resume();
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const endpoint = { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port } };
    const request = { identity: keyIdentity(), endpoint, assignment };
    const { dps, hub } = ports(client);
    const attempts = [
      (signal: AbortSignal) => dps.register(request, () => undefined, signal),
      (signal: AbortSignal) => hub.connect(request, signal),
    ];
    for (const attempt of attempts) {
      const abort = new AbortController();
      silent.once('connection', () => abort.abort());
      t.match(await attempt(abort.signal), { outcome: 'timed-out' });
    }
    // Resolves only when every connection has ended.
    silent.close();
    await once(silent, 'close');
    t.equal(connections, 2);
  });

  t.test(`${client}: an attempt that is called off before it gets anywhere`, async (t) => {
    const server = await CrookedServer.start();
    t.teardown(() => server.close());
    const request = { identity: keyIdentity(), endpoint: endpointOf(server), assignment };
    const { dps, hub } = ports(client);
    const abort = new AbortController();
    const attempts = [dps.register(request, () => undefined, abort.signal), hub.connect(request, abort.signal)];
    abort.abort();
    for (const outcome of await Promise.all(attempts)) t.match(outcome, { outcome: 'timed-out' });
    const connected = await hub.connect(request, patient());
    if (connected.outcome !== 'connected') throw new Error(connected.detail);
    t.equal(server.guests.length, 1, 'only the one that was meant');
    await connected.session.close();
    await server.empty();
  });

  t.test(`${client}: a signal that is aborted already opens no socket`, async (t) => {
    const server = await CrookedServer.start();
    t.teardown(() => server.close());
    const request = { identity: keyIdentity(), endpoint: endpointOf(server) };
    t.match(await ports(client).dps.register(request, () => undefined, AbortSignal.abort()), { outcome: 'timed-out' });
    t.same(server.guests, []);
  });

  t.test(`${client}: no word of the matrix is a guess`, async (t) => observed.whole(t, 'register'));
}
