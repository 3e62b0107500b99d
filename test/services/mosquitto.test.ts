import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { methodResponseTopic, twinResponseTopic } from '@zerotouch/azure-wire/hub-mqtt';
import { createWireHub } from '@zerotouch/firmware-sim/transport/wire-hub';
import { Contexts } from '@zerotouch/fleet-sim/wire/contexts';
import { leanLines } from '@zerotouch/fleet-sim/wire/lean-line';
import { Pulse } from '@zerotouch/fleet-sim/wire/pulse';
import { Sockets } from '@zerotouch/fleet-sim/wire/sockets';
import { systemClock } from '@zerotouch/foundation/clock';
import { connectAsync } from 'mqtt';
import t, { type Test } from 'tap';
import { makeAuthority } from '../firmware-sim/transport/certificates.js';
import { assignment, keyIdentity, patient } from '../firmware-sim/transport/kit.js';
import { freePort } from '../support/free-port.js';
import { Lines } from '../support/lines.js';

/** The broker of Debian; scripts/services.sh has installed it. */
const program = process.env.ZT_TEST_MOSQUITTO;
if (program === undefined) throw new Error('ZT_TEST_MOSQUITTO is not set: run npm run test:services');

const ATTEMPTS = 5;

/** A broker with TLS for the device and without for whoever plays the hub. */
async function broker(t: Test): Promise<{ tls: number; plain: number; ca: string; child: ChildProcess }> {
  const authority = await makeAuthority('Test root');
  const { certificate, privateKey } = await authority.issue('broker', { names: ['localhost'] });
  const folder = t.testdir();
  writeFileSync(join(folder, 'ca.pem'), authority.certificate);
  writeFileSync(join(folder, 'server.pem'), certificate);
  writeFileSync(join(folder, 'server.key'), privateKey, { mode: 0o600 });
  for (let attempt = 1; ; attempt++) {
    const [tls, plain] = [await freePort(), await freePort()];
    writeFileSync(join(folder, 'conf'), settings(folder, tls, plain));
    const child = spawn(program as string, ['-v', '-c', join(folder, 'conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    const exited = once(child, 'exit');
    t.teardown(() => child.kill() && exited);
    try {
      await new Lines(child.stderr).until(/mosquitto version .* running/);
      return { tls, plain, ca: authority.certificate, child };
    } catch (error) {
      // Somebody else may have taken a port since it was free.
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

function settings(folder: string, tls: number, plain: number): string {
  const lines = [
    'per_listener_settings false',
    'allow_anonymous true',
    // Started by root it would give up its rights, and with them the folder.
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    `listener ${plain} 127.0.0.1`,
    `listener ${tls} 127.0.0.1`,
    `cafile ${join(folder, 'ca.pem')}`,
    `certfile ${join(folder, 'server.pem')}`,
    `keyfile ${join(folder, 'server.key')}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Our clients, each over its own line: the `mqtt` package of a single device, the lean codec of a fleet. */
const clients = new Map([
  ['the wire client', createWireHub({ clock: systemClock })],
  [
    'the lean client',
    createWireHub({
      clock: systemClock,
      open: leanLines({ sockets: new Sockets({ contexts: new Contexts(), clock: systemClock }), pulse: new Pulse(systemClock) }),
    }),
  ],
]);

for (const [name, { connect }] of clients)
  t.test(`${name} and a broker that nobody wrote for it`, async (t) => {
    const { tls, plain, ca, child } = await broker(t);
    const hub = await connectAsync(`mqtt://127.0.0.1:${plain}`);
    t.teardown(() => hub.endAsync(true));
    const told: { topic: string; body: string }[] = [];
    hub.on('message', (topic, payload) => {
      told.push({ topic, body: payload.toString() });
      const rid = /\$rid=([^&]+)/.exec(topic)?.[1] ?? '';
      if (topic.startsWith('$iothub/twin/GET/'))
        hub.publish(twinResponseTopic(200, rid), JSON.stringify({ desired: { interval: 5, $version: 1 }, reported: { $version: 1 } }));
      if (topic.startsWith('$iothub/twin/PATCH/properties/reported/')) hub.publish(twinResponseTopic(204, rid, 2), '');
    });
    const asked = ['$iothub/twin/GET/#', '$iothub/twin/PATCH/properties/reported/#', '$iothub/methods/res/#', 'devices/#'];
    await hub.subscribeAsync(asked, { qos: 1 });

    const at = { host: 'localhost', port: tls };
    const endpoint = { dpsHost: at.host, dpsPort: at.port, gateway: at, ca };
    const outcome = await connect({ identity: keyIdentity(), endpoint, assignment }, patient());
    if (outcome.outcome !== 'connected') throw new Error(outcome.detail);
    const { session } = outcome;
    t.match(await session.getTwin(patient()), { outcome: 'twin', twin: { desired: { interval: 5, $version: 1 } } });
    t.same(await session.report({ interval: 5 }, patient()), { outcome: 'reported' });
    t.same(await session.send({ celsius: 21 }, patient()), { outcome: 'sent' }, 'its PUBACK came');

    const change = new Promise((resolve) => session.onDesired(resolve));
    await hub.publishAsync('$iothub/twin/PATCH/properties/desired/?$version=2', '{"interval":9,"$version":2}', { qos: 1 });
    t.same(await change, { interval: 9, $version: 2 });

    session.onMethod?.(['blink'], ({ payload, respond }) => void respond(200, { blinked: payload as number }));
    const answered = new Promise<string>((resolve) => {
      hub.on('message', (topic, payload) => topic === methodResponseTopic(200, '7') && resolve(payload.toString()));
    });
    await hub.publishAsync('$iothub/methods/POST/blink/?$rid=7', '3', { qos: 1 });
    t.equal(await answered, '{"blinked":3}');

    const lost = new Promise((resolve) => session.onLost(resolve));
    child.kill();
    t.match(await lost, { outcome: 'dropped' });
    await session.close();
  });
