import { once } from 'node:events';
import type { Failure, FailureKind, HubOutcome, HubSession } from '@zerotouch/firmware-sim/boot/ports';
import { clientPorts } from '@zerotouch/firmware-sim/transport/clients';
import type { SdkSession } from '@zerotouch/firmware-sim/transport/sdk-hub';
import { systemClock } from '@zerotouch/foundation/clock';
import type { Sender } from 'rhea';
import t, { type Test } from 'tap';
import { makeAuthority } from './certificates.js';
import { type AmqpManners, type AmqpRequest, behave, bodyOf, CrookedAmqp } from './crooked-amqp.js';
import { assignment, keyIdentity, patient } from './kit.js';
import { Observed } from './observed.js';

interface Story {
  readonly manners: AmqpManners;
  readonly expected: Partial<Failure>;
  /** Aborts the attempt when it resolves. */
  readonly giveUp?: (server: CrookedAmqp) => Promise<void>;
  /** Done once the session stands, before the call. */
  readonly first?: (server: CrookedAmqp) => void;
}

const azure = (errorCode: number, condition = 'amqp:unauthorized-access') => ({
  condition,
  description: JSON.stringify({ errorCode, message: 'said the service', trackingId: 'guid' }),
});

/** Answers to requests of one kind; all others go well. */
const to = (operation: string | undefined, answer: (request: AmqpRequest) => void): AmqpManners => ({
  asked: (request) => (request.operation === operation ? answer(request) : behave(request)),
});
/** A link of one address that is opened and closed with an error; Azure does so. */
const noLink = (address: RegExp, error: object): AmqpManners => ({
  attached: (link, at) => {
    if (address.test(at)) link.close(error as never);
  },
});
const noWord = (request: AmqpRequest): void => request.accept();

const register = (answer: (request: AmqpRequest) => void): AmqpManners => to('iotdps-register', answer);
const registered = (body: string | object): AmqpManners =>
  register((request) => {
    request.accept();
    request.reply({ body: bodyOf(body) });
  });

const registrations: Record<string, Story> = {
  'rejected with 401002': { manners: register(({ reject }) => reject(azure(401002))), expected: { outcome: 'refused', code: 401002 } },
  'the link refused with 404': {
    manners: noLink(/registrations/, azure(404201, 'amqp:not-found')),
    expected: { outcome: 'refused', code: 404201 },
  },
  'the link refused without a body': {
    manners: noLink(/registrations/, { condition: 'amqp:unauthorized-access' }),
    expected: { outcome: 'refused' },
  },
  // One word for whatever is wrong, or none.
  'a password that is not taken': { manners: { plain: () => false }, expected: { outcome: 'ambiguous' } },
  '429 with retry-after': {
    manners: register(({ reject }) => reject({ ...azure(429001, 'amqp:resource-limit-exceeded'), info: { 'retry-after': 7 } })),
    expected: { outcome: 'throttled', code: 429001, retryAfterMs: 7000 },
  },
  'the link throttled': {
    manners: noLink(/registrations/, { condition: 'com.microsoft:device-container-throttled' }),
    expected: { outcome: 'throttled' },
  },
  'an internal error': {
    manners: register(({ reject }) => reject({ condition: 'amqp:internal-error' })),
    expected: { outcome: 'unavailable' },
  },
  'a server that is busy': {
    manners: { opened: (connection) => connection.close({ condition: 'com.microsoft:server-busy', description: 'later' } as never) },
    expected: { outcome: 'unavailable' },
  },
  'failed, no hub to give': {
    manners: registered({ operationId: 'op', status: 'failed', registrationState: { errorCode: 400208 } }),
    expected: { outcome: 'unavailable', code: 400208 },
  },
  disabled: { manners: registered({ operationId: 'op', status: 'disabled', registrationState: {} }), expected: { outcome: 'refused' } },
  'a reply that is no JSON': { manners: registered('{"status":'), expected: { outcome: 'invalid' } },
  'a reply without a status': { manners: registered({ operationId: 'op' }), expected: { outcome: 'invalid' } },
  'a drop at the open': { manners: { opened: (_, drop) => drop() }, expected: { outcome: 'ambiguous' } },
  'a drop at the link': { manners: { attached: (_link, _address, drop) => drop() }, expected: { outcome: 'dropped' } },
  'a drop instead of the reply': { manners: register(({ drop }) => drop()), expected: { outcome: 'dropped' } },
  'the connection forced shut': {
    manners: register(() => undefined),
    expected: { outcome: 'dropped' },
    first: (server) => void server.asked().then(() => server.latest.amqp.close({ condition: 'amqp:connection:forced' } as never)),
  },
  'no reply': { manners: register(noWord), expected: { outcome: 'timed-out' }, giveUp: (server) => server.asked() },
};

const token = (answer: (request: AmqpRequest) => void): AmqpManners => to('put-token', answer);
const tokenSaid = (code: number, text: string): AmqpManners =>
  token((request) => {
    request.accept();
    request.reply({ application_properties: { 'status-code': code, 'status-description': text } });
  });

const connections: Record<string, Story> = {
  'a token that is not taken': { manners: tokenSaid(401, 'no'), expected: { outcome: 'refused' } },
  'a token rejected with 401': { manners: token(({ reject }) => reject(azure(401003))), expected: { outcome: 'refused', code: 401003 } },
  'no link for the token': { manners: noLink(/^\$cbs/, { condition: 'amqp:not-found' }), expected: { outcome: 'refused' } },
  'a token rejected with 429': {
    manners: token(({ reject }) => reject(azure(429001, 'com.microsoft:device-container-throttled'))),
    expected: { outcome: 'throttled', code: 429001 },
  },
  'the twin throttled': {
    manners: noLink(/twin/, { condition: 'com.microsoft:device-container-throttled' }),
    expected: { outcome: 'throttled' },
  },
  'a hub that is suspended': {
    manners: { opened: (connection) => connection.close({ condition: 'com.microsoft:iot-hub-suspended' } as never) },
    expected: { outcome: 'unavailable' },
  },
  'a hub that is not there': {
    manners: { opened: (connection) => connection.close({ condition: 'com.microsoft:iot-hub-not-found-error' } as never) },
    expected: { outcome: 'refused' },
  },
  'a reply of the twin that is no JSON': {
    manners: to('PUT', (request) => {
      request.accept();
      request.reply({ message_annotations: { status: 200 }, body: bodyOf('{') });
    }),
    expected: { outcome: 'invalid' },
  },
  'a drop at the open': { manners: { opened: (_, drop) => drop() }, expected: { outcome: 'dropped' } },
  'a drop instead of the token': { manners: token(({ drop }) => drop()), expected: { outcome: 'dropped' } },
  'no word on the token': { manners: token(noWord), expected: { outcome: 'timed-out' }, giveUp: (server) => server.asked() },
  'no word on the twin': { manners: to('PUT', noWord), expected: { outcome: 'timed-out' }, giveUp: (server) => server.asked(2) },
};

const twinSaid = (operation: string, status: number, body: string | object): AmqpManners =>
  to(operation, (request) => {
    request.accept();
    request.reply({ message_annotations: { status }, body: bodyOf(body) });
  });

const telemetry = (answer: (request: AmqpRequest) => void): AmqpManners => to(undefined, answer);

const messages: Record<string, Story> = {
  'rejected with 401': { manners: telemetry(({ reject }) => reject(azure(401003))), expected: { outcome: 'refused', code: 401003 } },
  'rejected, not found': { manners: telemetry(({ reject }) => reject({ condition: 'amqp:not-found' })), expected: { outcome: 'refused' } },
  'rejected with 429': {
    manners: telemetry(({ reject }) => reject(azure(429001, 'com.microsoft:device-container-throttled'))),
    expected: { outcome: 'throttled', code: 429001 },
  },
  'rejected, the quota is used up': {
    manners: telemetry(({ reject }) => reject({ condition: 'com.microsoft:quota-exceeded' })),
    expected: { outcome: 'throttled' },
  },
  'rejected, an internal error': {
    manners: telemetry(({ reject }) => reject({ condition: 'amqp:internal-error' })),
    expected: { outcome: 'unavailable' },
  },
  'rejected, a bad argument': {
    manners: telemetry(({ reject }) => reject({ condition: 'com.microsoft:argument-error' })),
    expected: { outcome: 'invalid' },
  },
  'no link for telemetry': { manners: noLink(/events/, azure(403004)), expected: { outcome: 'refused', code: 403004 } },
  'no disposition': { manners: telemetry(() => undefined), expected: { outcome: 'timed-out' }, giveUp: (server) => server.asked() },
  'a drop': { manners: telemetry(({ drop }) => drop()), expected: { outcome: 'dropped' } },
};

/** The SDK sends requests to the twin settled: a hub can reply, or end the link or the connection, but not reject one. */
const twins = (operation: string): Record<string, Story> => ({
  401: { manners: twinSaid(operation, 401, ''), expected: { outcome: 'refused', code: 401 } },
  429: { manners: twinSaid(operation, 429, { errorCode: 429001 }), expected: { outcome: 'throttled', code: 429001 } },
  503: { manners: twinSaid(operation, 503, { errorCode: 503001 }), expected: { outcome: 'unavailable', code: 503001 } },
  400: { manners: twinSaid(operation, 400, { errorCode: 400004 }), expected: { outcome: 'invalid', code: 400004 } },
  'no JSON': { manners: twinSaid(operation, 200, '{'), expected: { outcome: 'invalid' } },
  'no reply': { manners: to(operation, noWord), expected: { outcome: 'timed-out' }, giveUp: (server) => server.asked() },
  'a drop': { manners: to(operation, ({ drop }) => drop()), expected: { outcome: 'dropped' } },
});

/** How a session ends, and what the session says of it. */
const ends: Record<string, { readonly condition?: string; readonly link?: RegExp; readonly expected: FailureKind }> = {
  'the connection closed: unauthorised': { condition: 'amqp:unauthorized-access', expected: 'refused' },
  'the connection closed: throttled': { condition: 'com.microsoft:device-container-throttled', expected: 'throttled' },
  'the connection closed: internal error': { condition: 'amqp:internal-error', expected: 'unavailable' },
  'the connection closed: forced': { condition: 'amqp:connection:forced', expected: 'dropped' },
  'the connection closed: a condition nobody knows': { condition: 'amqp:what-is-this', expected: 'invalid' },
  'a drop': { expected: 'dropped' },
  'the twin link closed: unauthorised': { condition: 'amqp:unauthorized-access', link: /twin/, expected: 'refused' },
  'the twin link closed: throttled': { condition: 'com.microsoft:device-container-throttled', link: /twin/, expected: 'throttled' },
  'the twin link closed: stolen': { condition: 'amqp:link:stolen', link: /twin/, expected: 'dropped' },
};

const calls = {
  getTwin: (session: HubSession, signal: AbortSignal) => session.getTwin(signal),
  report: (session: HubSession, signal: AbortSignal) => session.report({ a: 1 }, signal),
  send: (session: HubSession, signal: AbortSignal) => session.send({ a: 1 }, signal),
};

const observed = new Observed('sdk amqp');

for (const transport of ['amqp', 'amqp-ws'] as const) {
  const { dps, hub } = clientPorts('sdk', systemClock, transport);
  const endpointOf = ({ port, authority }: Pick<CrookedAmqp, 'port' | 'authority'>) => ({
    dpsHost: 'localhost',
    dpsPort: port,
    gateway: { host: 'localhost', port },
    ports: { amqp: port, https: port },
    ca: authority.certificate,
  });
  const start = async (t: Test, onlyInvited = false): Promise<CrookedAmqp> => {
    const server = await CrookedAmqp.start(transport === 'amqp-ws', onlyInvited);
    t.teardown(() => server.close());
    return server;
  };
  const signalFor = (server: CrookedAmqp, { giveUp }: Story): AbortSignal => {
    const abort = new AbortController();
    giveUp?.(server).then(() => abort.abort());
    return abort.signal;
  };
  const enroll = (server: CrookedAmqp, signal = patient()) =>
    dps.register({ identity: keyIdentity(), endpoint: endpointOf(server) }, () => undefined, signal);
  const connect = (server: CrookedAmqp, signal = patient()): Promise<HubOutcome> =>
    hub.connect({ identity: keyIdentity(), endpoint: endpointOf(server), assignment }, signal);
  const connected = async (server: CrookedAmqp): Promise<HubSession> => {
    const outcome = await connect(server);
    if (outcome.outcome !== 'connected') throw new Error(`not connected: ${outcome.outcome} ${outcome.detail}`);
    return outcome.session;
  };

  t.test(`${transport}: every way a registration ends has one word and keeps no socket`, async (t) => {
    const server = await start(t);
    for (const [name, story] of Object.entries(registrations)) {
      server.forget();
      server.manners = story.manners;
      story.first?.(server);
      const outcome = await enroll(server, signalFor(server, story));
      t.match(outcome, story.expected, name);
      observed.note(t, 'register', outcome.outcome, name);
      await server.empty();
    }
    server.manners = {};
    const outcome = await enroll(server);
    t.match(outcome, { outcome: 'assigned', deviceId: 'dev-1' });
    observed.note(t, 'register', outcome.outcome, 'a good day');
    await server.empty();
  });

  t.test(`${transport}: every way a connection to a hub ends has one word and keeps no socket`, async (t) => {
    const server = await start(t);
    for (const [name, story] of Object.entries(connections)) {
      server.forget();
      server.manners = story.manners;
      const outcome = await connect(server, signalFor(server, story));
      t.match(outcome, story.expected, name);
      observed.note(t, 'connect', outcome.outcome, name);
      await server.empty();
    }
    server.manners = {};
    const outcome = await connect(server);
    observed.note(t, 'connect', outcome.outcome, 'a good day');
    if (outcome.outcome === 'connected') await outcome.session.close();
    await server.empty();
  });

  t.test(`${transport}: who is not the service, and who will not have this device's certificate`, async (t) => {
    const server = await start(t);
    const stranger = { port: server.port, authority: await makeAuthority('Another root') };
    const request = { identity: keyIdentity(), endpoint: endpointOf(stranger), assignment };
    const closed = await start(t, true);
    const unwelcome = { ...request, endpoint: endpointOf(closed) };
    for (const [expected, asked] of [
      ['unreachable', request],
      ['ambiguous', unwelcome],
    ] as const) {
      const [registration, connection] = [await dps.register(asked, () => undefined, patient()), await hub.connect(asked, patient())];
      t.match([registration, connection], [{ outcome: expected }, { outcome: expected }]);
      observed.note(t, 'register', registration.outcome, expected);
      observed.note(t, 'connect', connection.outcome, expected);
    }
    await Promise.all([server.empty(), closed.empty()]);
  });

  for (const [call, stories] of Object.entries({ getTwin: twins('GET'), report: twins('PATCH'), send: messages })) {
    const method = call as keyof typeof calls;
    t.test(`${transport}: every way ${call} ends has one word and keeps no socket`, async (t) => {
      const server = await start(t);
      for (const [name, story] of Object.entries(stories)) {
        server.manners = {};
        const session = await connected(server);
        server.forget();
        server.manners = story.manners;
        const outcome = await calls[method](session, signalFor(server, story));
        t.match(outcome, story.expected, name);
        observed.note(t, method, outcome.outcome, name);
        await session.close();
        await server.empty();
      }
      server.manners = {};
      const session = await connected(server);
      observed.note(t, method, (await calls[method](session, patient())).outcome, 'a good day');
      await session.close();
      await server.empty();
    });
  }

  t.test(`${transport}: a message to the device is the application's, whatever is in it`, async (t) => {
    const server = await start(t);
    server.manners = {
      attached: (link, address) => {
        if (/messages\/devicebound/.test(address)) (link as Sender).send({ body: bodyOf('hello, {not JSON') });
      },
    };
    const session = (await connected(server)) as SdkSession;
    const [message] = await once(session.client, 'message');
    t.equal(message.getData().toString(), 'hello, {not JSON');
    t.match(await session.getTwin(patient()), { outcome: 'twin' }, 'and the session goes on');
    await session.close();
    await server.empty();
  });

  t.test(`${transport}: a change of the desired properties that is none ends the session`, async (t) => {
    const server = await start(t);
    for (const body of ['', '[]', '{"a":']) {
      server.manners = {};
      const session = await connected(server);
      const lost = new Promise<Failure>((resolve) => session.onLost(resolve));
      server.latest.amqp.find_sender(({ source }: Sender) => /twin/.test(source?.address ?? ''))?.send({ body: bodyOf(body) });
      t.match(await lost, { outcome: 'invalid' }, body);
      await server.empty();
    }
  });

  t.test(`${transport}: a lost session says why, and keeps no socket`, async (t) => {
    const server = await start(t);
    for (const [name, { condition, link, expected }] of Object.entries(ends)) {
      server.forget();
      server.manners = {};
      const session = await connected(server);
      const lost = new Promise<Failure>((resolve) => session.onLost(resolve));
      const { amqp, drop } = server.latest;
      const error = { condition } as never;
      if (condition === undefined) drop();
      else if (link === undefined) amqp.close(error);
      else amqp.find_sender((sender: { source?: { address?: string } }) => link.test(sender.source?.address ?? ''))?.close(error);
      const failure = await lost;
      t.equal(failure.outcome, expected, `${name}: ${failure.detail}`);
      observed.note(t, 'lost', failure.outcome, name);
      await session.close();
      await server.empty();
    }
  });
}

t.test('no word of the matrix is a guess', async (t) => observed.whole(t, 'register', 'connect', 'getTwin', 'report', 'send', 'lost'));
