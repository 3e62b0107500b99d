import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { composeImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import t, { type Test } from 'tap';
import { cloudWithDevice, deviceKey, everyWay } from './relayed-cloud.js';

const PASSWORD = 'se cret/1';
/** An HTTP proxy that lets nobody through without a password, and keeps where it led. */
async function proxy(t: Test): Promise<{ port: number; led: string[] }> {
  const led: string[] = [];
  const server = createServer();
  server.on('connect', (request: IncomingMessage, near: Duplex) => {
    near.on('error', () => undefined);
    if (request.headers['proxy-authorization'] !== `Basic ${Buffer.from(`pump:${PASSWORD}`).toString('base64')}`) {
      near.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="plant"\r\n\r\n');
      return;
    }
    led.push(request.url ?? '');
    const far = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      near.write('HTTP/1.1 200 Connection established\r\n\r\n');
      near.pipe(far).pipe(near);
    });
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, led };
}

for (const [client, transport] of everyWay) {
  t.test(`${client} over ${transport}: every connection goes through the proxy, and its password nowhere else`, async (t) => {
    const cloud = await cloudWithDevice(t, 'pump-1');
    const { port, led } = await proxy(t);
    const { mqttPort, amqpPort, httpsPort } = cloud.dps;
    const at = { host: 'localhost', port: mqttPort };
    const direct = { dpsHost: at.host, dpsPort: at.port, gateway: at, ports: { amqp: amqpPort, https: httpsPort }, ca: cloud.ca };
    const through = (password: string) => ({ ...direct, proxy: `http://pump:${encodeURIComponent(password)}@127.0.0.1:${port}` });
    const factory = {
      idScope: cloud.dps.idScope,
      endpoint: cloud.dps.host,
      registrationId: 'pump-1',
      serial: '1',
      symmetricKey: deviceKey,
    };
    const flash = memoryStorage(composeImage({ factory }));
    const failures: string[] = [];
    let asked = 0;
    const device = await powerOn({
      flash,
      client,
      transport,
      // What it learns at its identity, and then at each attempt: the first of them with a wrong password.
      endpoint: () => through(asked++ < 2 ? 'wrong-1' : PASSWORD),
      watch: (watched) => watched.on('failure', ({ failure }) => failures.push(`${failure.outcome}: ${failure.detail}`)),
    });
    await device.stop();
    t.equal(failures.length, 1);
    t.match(failures[0], /^unreachable: .*407.*user name and a password/);
    t.notMatch(failures[0], /wrong-1/);
    const ports = { mqtt: [mqttPort, mqttPort], amqp: [amqpPort, amqpPort], http: [httpsPort, mqttPort] }[transport as string];
    t.strictSame(
      led,
      (ports ?? [httpsPort, httpsPort]).map((to) => `localhost:${to}`),
    );
  });
}
