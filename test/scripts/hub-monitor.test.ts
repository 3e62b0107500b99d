import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { json } from 'node:stream/consumers';
import { buildSas } from '@zerotouch/azure-wire/sas';
import device from 'azure-iot-device';
import mqtt from 'azure-iot-device-mqtt';
import t from 'tap';
import { Lines } from '../support/lines.js';
import { ending, firstLine, lastLine, runHere, start } from './support/command.js';

interface Ready {
  dps: { mqttPort: number; httpsPort: number };
  hubs: { host: string; connectionString: string }[];
  ca: string;
}

t.test('what a device sends is printed as it comes', async (t) => {
  const dir = t.testdir();
  t.match(await runHere(dir, 'hub', 'monitor'), { code: 3, stderr: /no local cloud/ });
  const cloud = start(dir, 'cloud', '--json');
  const whole = ending(cloud);
  t.teardown(() => cloud.kill('SIGKILL'));
  const ready = JSON.parse(await firstLine(cloud)) as Ready;
  t.match(await runHere(dir, 'hub', 'monitor', '-n', 'nobody'), { code: 2, stderr: /no hub of this name.*hub-weu/ });

  const monitor = start(dir, 'hub', 'monitor', '-n', 'hub-weu', '--timeout', '0', '--properties', 'all', '--json');
  t.teardown(() => monitor.kill('SIGKILL'));
  const printed = ending(monitor);
  const lines = new Lines(monitor.stdout);
  t.match(JSON.parse(lines.all[await lines.until(/^/)] ?? ''), { monitoring: 'hub-weu.azure-devices.net' });
  const ca = readFileSync(ready.ca, 'utf8');
  const client = device.Client.fromConnectionString(await made(ready, ca, 'dev-1'), mqtt.Mqtt);
  await client.setOptions({ ca });
  await client.open();
  const message = new device.Message('{"celsius":21}');
  message.contentType = 'application/json';
  message.properties.add('alarm', 'true');
  await client.sendEvent(message);
  await client.close();
  t.match(JSON.parse(lines.all[await lines.until(/"event"/)] ?? ''), {
    event: {
      origin: 'dev-1',
      module: '',
      payload: { celsius: 21 },
      properties: { system: { 'iothub-connection-device-id': 'dev-1' }, application: { alarm: 'true' } },
    },
  });
  monitor.kill('SIGINT');
  t.equal((await printed).code, 130);
  const quiet = await runHere(dir, 'hub', 'monitor', '--timeout', '0.2', '--json');
  t.equal(quiet.code, 0, 'it ends by itself where nothing comes');
  t.match(lastLine(quiet), { events: 0 });
  cloud.kill('SIGTERM');
  t.equal((await whole).code, 0);
});

/** Makes a device at the first hub. @returns its connection string */
async function made({ dps, hubs }: Ready, ca: string, deviceId: string): Promise<string> {
  const { host = '', connectionString = '' } = hubs[0] ?? {};
  const key = Buffer.from(/SharedAccessKey=(.*)$/.exec(connectionString)?.[1] ?? '', 'base64');
  const authorization = buildSas({ resource: host, key, expiry: Date.now() / 1000 + 600, keyName: 'iothubowner' });
  const sent = request(`https://localhost:${dps.httpsPort}/devices/${deviceId}?api-version=2021-04-12`, {
    method: 'PUT',
    ca,
    agent: false,
    headers: { host, authorization, 'content-type': 'application/json' },
  });
  sent.end(JSON.stringify({ deviceId }));
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  const { authentication } = (await json(response)) as { authentication: { symmetricKey: { primaryKey: string } } };
  return `HostName=${host};DeviceId=${deviceId};SharedAccessKey=${authentication.symmetricKey.primaryKey};GatewayHostName=localhost:${dps.mqttPort}`;
}
