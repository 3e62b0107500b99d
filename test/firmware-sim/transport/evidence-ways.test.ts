import { flaky, refuse, refuseAtHub, throttled } from '@zerotouch/cloud-sim/cloud';
import { clientPorts } from '@zerotouch/firmware-sim/transport/clients';
import { evidenceOf } from '@zerotouch/firmware-sim/transport/evidence-matrix';
import { systemClock } from '@zerotouch/foundation/clock';
import t from 'tap';
import { patient } from './kit.js';
import { everyWay, identityAt, relayedCloud } from './relayed-cloud.js';

for (const [client, transport] of everyWay) {
  const evidence = evidenceOf(client, transport);

  t.test(`${client} over ${transport}: what a registration that fails is called`, async (t) => {
    const { cloud, way, endpoint } = await relayedCloud(t, transport);
    const { dps } = clientPorts(client, systemClock, transport);
    const seen = new Map<string, string>();
    const register = async (what: string, identity = identityAt(cloud), signal = patient()): Promise<void> => {
      const { outcome } = await dps.register({ identity, endpoint }, () => undefined, signal);
      t.ok((evidence.register as readonly string[]).includes(outcome), `${what}: ${outcome} is in the matrix`);
      seen.set(what, outcome);
    };
    await register('a good day');
    await register('nobody enrolled it', identityAt(cloud, 'dev-2'));
    for (const [what, behaviour] of Object.entries({ '429': throttled(), '500': flaky({ share: 1 }), '401': refuse() })) {
      using _ = cloud.use(behaviour);
      await register(what);
    }
    {
      using _ = cloud.use({ name: 'drops', dps: (_call, _next, { drop }) => Promise.resolve(drop('a test dropped it')) });
      await register('a drop');
    }
    way.weather = 'captive';
    await register('a captive portal');
    way.weather = 'silent';
    const ended = new AbortController();
    void way.stuck().then(() => ended.abort());
    await register('silence', identityAt(cloud), ended.signal);
    t.strictSame(Object.fromEntries(seen), {
      'a good day': 'assigned',
      'nobody enrolled it': 'refused',
      '429': 'throttled',
      '500': 'unavailable',
      '401': 'refused',
      'a drop': 'dropped',
      'a captive portal': 'unreachable',
      silence: 'timed-out',
    });
  });

  const { connect } = evidence;
  if (connect === undefined) continue;
  t.test(`${client} over ${transport}: what a hub that does not let a device in is called`, async (t) => {
    const { cloud, way, endpoint } = await relayedCloud(t, transport);
    const { dps, hub } = clientPorts(client, systemClock, transport);
    const identity = identityAt(cloud);
    const assigned = await dps.register({ identity, endpoint }, () => undefined, patient());
    if (assigned.outcome !== 'assigned') throw new Error(assigned.detail);
    const seen = new Map<string, string>();
    const signIn = async (what: string, signal = patient()): Promise<void> => {
      const outcome = await hub.connect({ identity, endpoint, assignment: assigned }, signal);
      if (outcome.outcome === 'connected') await outcome.session.close();
      t.ok((connect as readonly string[]).includes(outcome.outcome), `${what}: ${outcome.outcome} is in the matrix`);
      seen.set(what, outcome.outcome);
    };
    await signIn('a good day');
    {
      using _ = cloud.use(refuseAtHub());
      await signIn('refused');
    }
    way.weather = 'captive';
    await signIn('a captive portal');
    way.weather = 'silent';
    const ended = new AbortController();
    void way.stuck().then(() => ended.abort());
    await signIn('silence', ended.signal);
    t.strictSame(Object.fromEntries(seen), {
      'a good day': 'connected',
      // MQTT 3.1.1 has one word for both, as the SDK tells it.
      refused: client === 'sdk' && transport.startsWith('mqtt') ? 'ambiguous' : 'refused',
      'a captive portal': 'unreachable',
      silence: 'timed-out',
    });
  });
}

for (const [client, transport] of everyWay.filter(([, transport]) => transport !== 'http')) {
  t.test(`${client} over ${transport}: what goes wrong in a session, and how it ends`, async (t) => {
    const evidence = evidenceOf(client, transport);
    const { cloud, endpoint } = await relayedCloud(t, transport);
    const { dps, hub } = clientPorts(client, systemClock, transport);
    const identity = identityAt(cloud);
    const assigned = await dps.register({ identity, endpoint }, () => undefined, patient());
    if (assigned.outcome !== 'assigned') throw new Error(assigned.detail);
    const connected = await hub.connect({ identity, endpoint, assignment: assigned }, patient());
    if (connected.outcome !== 'connected') throw new Error(connected.detail);
    const { session } = connected;
    const told = (call: 'getTwin' | 'report' | 'send' | 'lost', outcome: string): string => {
      t.ok((evidence[call] as readonly string[]).includes(outcome), `${call}: ${outcome} is in the matrix`);
      return outcome;
    };
    // More levels than a twin may have.
    const deep = JSON.parse(`${'{"a":'.repeat(12)}1${'}'.repeat(12)}`);
    t.equal(told('report', (await session.report(deep, patient())).outcome), 'invalid');
    t.equal(told('getTwin', (await session.getTwin(patient())).outcome), 'twin');
    t.equal(told('send', (await session.send({ celsius: 21 }, patient())).outcome), 'sent');
    const lost = new Promise<{ outcome: string }>((resolve) => session.onLost(resolve));
    const cut = AbortSignal.abort();
    t.equal(told('getTwin', (await session.getTwin(cut)).outcome), 'timed-out');
    await cloud.hub(assigned.hub).disconnect('dev-1');
    t.equal(told('lost', (await lost).outcome), 'dropped');
    t.equal(told('getTwin', (await session.getTwin(patient())).outcome), 'dropped');
    t.equal(told('report', (await session.report({}, patient())).outcome), 'dropped');
    t.equal(told('send', (await session.send({}, patient())).outcome), 'dropped');
    await session.close();
  });
}
