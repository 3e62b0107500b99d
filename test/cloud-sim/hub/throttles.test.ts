import type { IncomingMessage } from 'node:http';
import type { HubTier } from '@zerotouch/azure-wire/hub-rates';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import common from 'azure-iot-common';
import device from 'azure-iot-device';
import http from 'azure-iot-device-http';
import t, { type Test } from 'tap';
import { cloudFor, lastAttempt } from '../clouds.js';
import { ToCloud } from '../doors/clients.js';
import { ManualClock } from '../manual-clock.js';
import { registryOf, serviceClientOf } from './service-clients.js';

const host = 'hub-1.azure-devices.net';

async function bought(t: Test, tier: HubTier, units: number, hubRateFactor = 1) {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, {
    clock,
    limits: { hubRateFactor },
    hubs: [{ host, region: 'westeurope', subscription: '3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8a01', tier, units }],
  });
  const hub = cloud.hub(host);
  const { authentication } = await hub.createDevice({ deviceId: 'dev-1' });
  return { clock, cloud, hub, key: 'primaryKey' in authentication ? authentication.primaryKey : '' };
}

/** How often something is let through until it is refused as Azure's clients know it. */
async function letThrough(t: Test, act: () => Promise<unknown>): Promise<number> {
  for (let n = 0; ; n++) {
    try {
      await act();
    } catch (error) {
      t.match(error, { name: 'ThrottlingError' });
      return n;
    }
  }
}

async function senderFor(t: Test, cloud: Cloud) {
  const client = serviceClientOf(cloud, host, 'service');
  client.setRetryPolicy(new common.NoRetry());
  await client.open();
  t.teardown(() => client.close());
  return client;
}

for (const [tier, units, queries, sends] of [
  // Two seconds of 20 and 100 a minute and unit; of 1,000 and 5,000 on S3.
  ['S1', 1, 1, 3],
  ['S1', 6, 4, 20],
  ['S2', 6, 4, 20],
  ['S3', 1, 33, 166],
] as const) {
  t.test(`${units} of ${tier}: queries and messages to devices`, async (t) => {
    const { clock, cloud, hub } = await bought(t, tier, units);
    const registry = registryOf(cloud, host);
    t.equal(await letThrough(t, () => registry.createQuery('SELECT * FROM devices', 10).nextAsTwin()), queries);
    const sender = await senderFor(t, cloud);
    // A device keeps fifty: here it is the rate that counts.
    const send = async () => {
      await sender.send('dev-1', 'x');
      await hub.purgeMessages('dev-1');
    };
    t.equal(await letThrough(t, send), sends);
    clock.advance(60_000);
    await send();
    await registry.createQuery('SELECT * FROM devices', 10).nextAsTwin();
  });
}

t.test('methods are counted by their bytes, at least four thousand each', async (t) => {
  for (const [tier, calls] of [
    ['S1', 3],
    ['S2', 9],
  ] as const) {
    const { cloud } = await bought(t, tier, 1);
    const sender = await senderFor(t, cloud);
    const invoke = (payload: string) =>
      sender.invokeDeviceMethod('dev-1', { methodName: 'm', payload }).catch((error: Error) => {
        // Nobody is there to be called, which takes of the rate none the less.
        if (error.message !== 'Not found') throw error;
      });
    t.equal(await letThrough(t, () => invoke('x'.repeat(100_000))), calls, `${tier}: two seconds`);
  }
});

t.test('telemetry is held back before any is refused, over HTTPS', async (t) => {
  // A hundredth of S1: one message a second.
  const { clock, cloud, hub, key } = await bought(t, 'S1', 1, 0.01);
  const connection = `HostName=${host};DeviceId=dev-1;SharedAccessKey=${key}`;
  const client = device.Client.fromConnectionString(connection, http.Http);
  t.teardown(() => client.close());
  client.setRetryPolicy(new common.NoRetry());
  await client.setOptions({ http: { agent: new ToCloud(cloud), receivePolicy: { interval: 60 } } } as never);
  const events = hub.events();
  t.teardown(() => events.return?.());
  const next = async () => String((await events.next()).value?.body);
  const send = (text: string) => client.sendEvent(new device.Message(text));
  await client.sendEventBatch(['a', 'b'].map((text) => new device.Message(text)));
  t.strictSame([await next(), await next()], ['a', 'b'], 'two seconds of the rate at once');
  // A sign-in is counted too: of those, one a second is let in.
  clock.advance(1000);
  await send('c');
  let told = false;
  clock.advance(400);
  const held = send('d').then(() => {
    told = true;
  });
  t.equal(await next(), 'c');
  await hub.query('SELECT * FROM devices');
  t.equal(told, false, 'held back');
  while (!told) {
    clock.advance(100);
    await new Promise(setImmediate);
  }
  await held;
  t.equal(await next(), 'd');
  clock.advance(5000);
  // A batch comes whole; whoever comes after it waits for all of it, and ten seconds at most.
  const many = Array.from({ length: 14 }, (_, n) => String(n));
  await client.sendEventBatch(many.map((text) => new device.Message(text)));
  const early = await send('too early').catch((error: Error & { response: IncomingMessage }) => error);
  // It waits behind four seconds of what came before, beyond the ten that anybody waits.
  t.match(early, { message: /Too Many Requests/, response: { headers: { 'retry-after': /^[1-9]\d*$/ } } });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    outcome: 'refused',
    wire: { status: 429, errorCode: 429001 },
    reason: { rule: 'throttled-hub', text: /messages of devices.*1 unit of S1/ },
  });
  clock.advance(15_000);
  await send('after');
  for (const text of [...many, 'after']) t.equal(await next(), text);
});
