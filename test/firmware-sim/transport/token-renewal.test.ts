import { once } from 'node:events';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import type { HubSession } from '@zerotouch/firmware-sim/boot/ports';
import type { ClientName } from '@zerotouch/firmware-sim/transport/client-names';
import { clientPorts } from '@zerotouch/firmware-sim/transport/clients';
import { TOKEN_SECONDS } from '@zerotouch/firmware-sim/transport/sign-in';
import type { TransportName } from '@zerotouch/firmware-sim/transport/transport-names';
import { systemClock } from '@zerotouch/foundation/clock';
import { VirtualClock } from '@zerotouch/foundation/virtual-clock';
import t, { type Test } from 'tap';
import { patient } from './kit.js';
import { everyWay, identityAt, relayedCloud } from './relayed-cloud.js';

const ways = everyWay.filter(([, transport]) => transport !== 'http');

/** A connected device and its cloud, whose wall clocks are moved by the test. */
async function connected(t: Test, client: ClientName, transport: TransportName) {
  const clock = new VirtualClock(Date.now());
  const options = { clock: { ...systemClock, now: () => clock.now() } };
  const { cloud, way, endpoint } = await relayedCloud(t, transport, options);
  const identity = identityAt(cloud);
  const { dps } = clientPorts(client, systemClock, transport);
  const { hub } = clientPorts(client, clock, transport);
  const assignment = await dps.register({ identity, endpoint }, () => undefined, patient());
  if (assignment.outcome !== 'assigned') throw new Error(assignment.detail);
  const outcome = await hub.connect({ identity, endpoint, assignment }, patient());
  if (outcome.outcome !== 'connected') throw new Error(outcome.detail);
  const { session } = outcome;
  t.teardown(() => session.close());
  return { clock, cloud, way, session, hub: cloud.hub(assignment.hub) };
}

/** Resolves when the session has signed in with another token. */
function renewed(cloud: Cloud, transport: TransportName): Promise<unknown> {
  if (transport.startsWith('mqtt')) return once(cloud.events, 'connected');
  return Promise.resolve();
}

async function sends(session: HubSession, cloud: Cloud, count: number): Promise<unknown> {
  const arrived = once(cloud.events, 'telemetry');
  const outcome = await session.send({ count }, patient());
  const [{ body }] = (await arrived) as [{ body: Buffer }];
  return [outcome, JSON.parse(body.toString())];
}

for (const [client, transport] of ways) {
  t.test(`${client} over ${transport}: a session outlives its tokens`, async (t) => {
    const { clock, cloud, way, session, hub } = await connected(t, client, transport);
    const losses: unknown[] = [];
    session.onLost((failure) => losses.push(failure));
    const changes: unknown[] = [];
    session.onDesired((patch) => changes.push(patch));
    let missed = 0;
    session.onMissed?.(() => {
      missed += 1;
    });
    await session.getTwin(patient());
    way.connections = 0;
    for (let token = 1; token <= 3; token++) {
      const again = renewed(cloud, transport);
      clock.advance(TOKEN_SECONDS * 900);
      await again;
      t.strictSame(await sends(session, cloud, token), [{ outcome: 'sent' }, { count: token }]);
      const version = await hub.updateDesired('dev-1', { token });
      t.match(await session.getTwin(patient()), { outcome: 'twin', twin: { desired: { token, $version: version } } });
      t.match(changes.at(-1), { token, $version: version }, 'and it is told of changes');
    }
    t.strictSame(losses, []);
    t.equal(missed, 0);
    t.equal(way.connections, transport.startsWith('mqtt') ? 3 : 0, 'AMQP needs no new connection');
  });
}

for (const [client, transport] of [
  ['sdk', 'mqtt'],
  ['wire', 'mqtt'],
] as const) {
  t.test(`${client}: what is sent while the connection is replaced arrives; a change meanwhile is told`, async (t) => {
    const { clock, cloud, way, session, hub } = await connected(t, client, transport);
    await session.getTwin(patient());
    const missed = new Promise<void>((resolve) => session.onMissed?.(resolve));
    const arrived: number[] = [];
    cloud.events.on('telemetry', ({ body }) => arrived.push(JSON.parse(body.toString()).count));
    // Between the old connection and the new: the hub takes the change before the device can hear of it.
    cloud.events.once('disconnected', () => void hub.updateDesired('dev-1', { meanwhile: true }));
    const again = renewed(cloud, transport);
    clock.advance(TOKEN_SECONDS * 900);
    const sent = [1, 2, 3, 4, 5].map((count) => session.send({ count }, patient()));
    t.strictSame(
      await Promise.all(sent),
      sent.map(() => ({ outcome: 'sent' })),
    );
    await again;
    t.strictSame(arrived, [1, 2, 3, 4, 5]);
    await Promise.race([missed, new Promise<void>((resolve) => session.onDesired(() => resolve()))]);
    t.equal(way.connections, 3, 'DPS, the hub, and the hub again');
  });

  t.test(`${client}: a network that is away when the token is renewed costs no connection`, async (t) => {
    const { clock, cloud, way, session } = await connected(t, client, transport);
    const losses: unknown[] = [];
    session.onLost((failure) => losses.push(failure));
    way.weather = 'captive';
    const tried = way.connections;
    clock.advance(TOKEN_SECONDS * 900);
    // Nothing but the next attempt is waited for.
    while (clock.nextIn() !== 60_000) await new Promise<void>((resolve) => setImmediate(resolve));
    t.equal(way.connections, tried + 1);
    t.strictSame(await sends(session, cloud, 1), [{ outcome: 'sent' }, { count: 1 }], 'over the old connection');
    way.weather = 'fair';
    const again = renewed(cloud, transport);
    clock.advance(61_000);
    await again;
    t.strictSame(await sends(session, cloud, 2), [{ outcome: 'sent' }, { count: 2 }]);
    t.strictSame(losses, []);
  });
}
