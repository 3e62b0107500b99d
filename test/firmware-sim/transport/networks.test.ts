import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import type { Endpoint } from '@zerotouch/firmware-sim/boot/ports';
import { type Device, powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { clientNames } from '@zerotouch/firmware-sim/transport/client-names';
import { composeImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import t, { type Test } from 'tap';
import { CrookedServer } from './crooked-server.js';
import { assignment, endpointOf, keyIdentity, patient, ports } from './kit.js';
import { Relay } from './relay.js';

const WEEK_MS = 7 * 24 * 3600_000;
const key = Buffer.alloc(32, 7);

/** How long a way may take to let a connection through. */
const PATIENCE_MS = 20_000;
/** No operation is ended for the time that it takes. */
const timeouts = { registerMs: 60_000_000, connectMs: 60_000_000, requestMs: 60_000_000 };

/** A device's waits are a hundredth as long, and its patience is over as soon as it waits for what will never come. */
const hurried = (way: Relay, later: number): Clock => ({
  now: () => Date.now() + later,
  monotonic: () => systemClock.monotonic() * 100,
  wait: (ms, signal) => {
    if (ms !== PATIENCE_MS) return systemClock.wait(ms / 100, signal);
    const ended = new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }));
    return Promise.race([way.stuck(), ended]);
  },
});

/** A cloud, and between it and the device a network on port 8883 and another on port 443. */
async function bench(t: Test) {
  const cloud = await startCloud({ retryAfterSeconds: 0 });
  t.teardown(() => cloud.close());
  const symmetricKey = { primaryKey: key.toString('base64'), secondaryKey: key.toString('base64') };
  await cloud.enrolments.putIndividual({ registrationId: 'pump-1', attestation: { type: 'symmetricKey', symmetricKey } });
  const [by8883, by443] = [await Relay.open(cloud.dps.mqttPort), await Relay.open(cloud.dps.httpsPort)];
  t.teardown(() => Promise.all([by8883[Symbol.asyncDispose](), by443[Symbol.asyncDispose]()]));
  const at = { host: 'localhost', port: by8883.port };
  const endpoint: Endpoint = { dpsHost: at.host, dpsPort: at.port, gateway: at, ports: { https: by443.port }, ca: cloud.ca };
  return { cloud, by8883, by443, endpoint };
}

/** One device, whose flash is carried from boot to boot. */
function device(cloud: Cloud, way: Relay, client: (typeof clientNames)[number]) {
  const factory = { idScope: cloud.dps.idScope, endpoint: cloud.dps.host, registrationId: 'pump-1', serial: '1', symmetricKey: key };
  let image: Uint8Array = composeImage({ factory });
  const failures: string[] = [];
  return {
    failures,
    async boot(endpoint: Endpoint | (() => Endpoint), { later = 0, watch = (_: Device): void => undefined } = {}): Promise<void> {
      failures.length = 0;
      const flash = memoryStorage(image);
      const listen = (watched: Device): void => {
        watched.on('failure', ({ failure }) => failures.push(failure.outcome));
        watch(watched);
      };
      const running = await powerOn({ flash, client, endpoint, clock: hurried(way, later), timeouts, watch: listen });
      await running.stop();
      image = Buffer.from(flash.read(0, flash.size));
    },
  };
}

for (const client of clientNames) {
  for (const weather of ['silent', 'loses-large', 'captive'] as const) {
    t.test(`${client}: a network whose port 8883 is ${weather}: port 443 is found, and remembered`, async (t) => {
      const { cloud, by8883, by443, endpoint } = await bench(t);
      const pump = device(cloud, by8883, client);
      by8883.weather = weather;
      await pump.boot(endpoint);
      t.strictSame(pump.failures, [], 'no attempt failed for it');
      t.ok(by8883.connections > 0);
      by8883.connections = 0;
      by443.handshakes = 0;
      await pump.boot(endpoint);
      t.equal(by8883.connections, 0, 'a warm boot goes there at once');
      t.equal(by443.handshakes, 1);

      by8883.weather = 'fair';
      await pump.boot(endpoint, { later: WEEK_MS + 1000 });
      t.equal(by8883.connections, 1, 'after a week port 8883 comes first again');
    });
  }

  t.test(`${client}: port 443 is forgotten when it fails and port 8883 works`, async (t) => {
    const { cloud, by8883, by443, endpoint } = await bench(t);
    const pump = device(cloud, by8883, client);
    by8883.weather = 'captive';
    await pump.boot(endpoint);
    by8883.weather = 'fair';
    by443.weather = 'captive';
    await pump.boot(endpoint);
    by443.connections = 0;
    await pump.boot(endpoint);
    t.equal(by443.connections, 0);
  });

  t.test(`${client}: a captive portal at every port, until somebody signs in`, async (t) => {
    const { cloud, by8883, by443, endpoint } = await bench(t);
    const pump = device(cloud, by8883, client);
    for (const way of [by8883, by443]) way.weather = 'captive';
    const watch = (watched: Device): void => {
      watched.once('failure', () => {
        for (const way of [by8883, by443]) way.weather = 'fair';
      });
    };
    await pump.boot(endpoint, { watch });
    t.strictSame(pump.failures, ['unreachable']);
  });

  t.test(`${client}: a captive portal that speaks TLS, with a certificate of its own`, async (t) => {
    const { cloud, by8883, endpoint } = await bench(t);
    const pump = device(cloud, by8883, client);
    const hotel = await startCloud();
    t.teardown(() => hotel.close());
    const portal: Endpoint = { ...endpoint, dpsPort: hotel.dps.mqttPort, ports: { https: hotel.dps.httpsPort } };
    let asked = 0;
    await pump.boot(() => (asked++ < 2 ? portal : endpoint));
    t.strictSame(pump.failures, ['unreachable']);
  });

  t.test(`${client}: a name that cannot be resolved, until it can`, async (t) => {
    const { cloud, by8883, endpoint } = await bench(t);
    const pump = device(cloud, by8883, client);
    let asked = 0;
    await pump.boot(() => (asked++ < 2 ? { ...endpoint, dpsHost: 'dps.invalid' } : endpoint));
    t.strictSame(pump.failures, ['unreachable']);
  });

  t.test(`${client}: a network that is slow`, async (t) => {
    const { cloud, by8883, by443, endpoint } = await bench(t);
    const pump = device(cloud, by8883, client);
    for (const way of [by8883, by443]) way.weather = 'slow';
    await pump.boot(endpoint);
    t.strictSame(pump.failures, []);
  });

  t.test(`${client}: a hub that has an IPv6 address alone`, async (t) => {
    const server = await CrookedServer.start([], ['::1']);
    t.teardown(() => server.close());
    await using way = await Relay.open(server.port, '::1');
    const at = { host: '::1', port: way.port };
    const endpoint = endpointOf(server, { dpsHost: at.host, dpsPort: at.port, gateway: at });
    const outcome = await ports(client).hub.connect({ identity: keyIdentity(), endpoint, assignment }, patient());
    if (outcome.outcome !== 'connected') throw new Error(outcome.detail);
    await outcome.session.close();
    t.equal(way.handshakes, 1);
  });
}
