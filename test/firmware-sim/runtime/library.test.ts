import { once } from 'node:events';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { clientNames } from '@zerotouch/firmware-sim/transport/client-names';
import { composeImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import common from 'azure-iot-common';
import t, { type Test } from 'tap';

const key = Buffer.alloc(32, 7);

async function bench(t: Test) {
  const cloud = await startCloud({ retryAfterSeconds: 0 });
  t.teardown(() => cloud.close());
  const symmetricKey = { primaryKey: key.toString('base64'), secondaryKey: key.toString('base64') };
  await cloud.enrolments.putIndividual({ registrationId: 'pump-1', attestation: { type: 'symmetricKey', symmetricKey } });
  const at = { host: 'localhost', port: cloud.dps.mqttPort };
  const factory = { idScope: cloud.dps.idScope, endpoint: cloud.dps.host, registrationId: 'pump-1', serial: '1', symmetricKey: key };
  const flash = memoryStorage(composeImage({ factory }));
  return { cloud, flash, endpoint: { dpsHost: at.host, dpsPort: at.port, gateway: at, ca: cloud.ca } };
}

t.test('an application of its own, in ten lines, over the official client', async (t) => {
  const { cloud, flash, endpoint } = await bench(t);
  const device = await powerOn({ flash, endpoint });
  t.teardown(() => device.stop());
  const attach = (): void => {
    device.client?.onDeviceMethod('blink', (request, response) => response.send(200, { blinked: request.payload }, () => undefined));
  };
  device.on('running', attach);
  attach();
  const arrived = once(cloud.events, 'telemetry');
  await device.client?.sendEvent(new common.Message('{"celsius":21}'));
  t.match(await arrived, [{ deviceId: 'pump-1' }]);

  const hub = cloud.hub(device.hub as string);
  t.match(await hub.invokeMethod('pump-1', { name: 'blink', payload: 3 }), { status: 200, payload: { blinked: 3 } });
  t.match(await hub.invokeMethod('pump-1', { name: 'change-owner', payload: {} }), { status: 400 }, 'the commands of every device stay');
  const { client } = device;
  t.ok(client);
  const again = once(device, 'running');
  await hub.disconnect('pump-1');
  await again;
  t.not(device.client, client, 'a new connection has a new client');
  t.match(await hub.invokeMethod('pump-1', { name: 'blink', payload: 4 }), { status: 200, payload: { blinked: 4 } });
  await device.stop();
  t.equal(device.client, undefined);
});

for (const client of clientNames) {
  t.test(`${client}: methods of the application and commands of every device side by side`, async (t) => {
    const { cloud, flash, endpoint } = await bench(t);
    const methods = {
      blink: (payload: unknown) => ({ blinked: payload as number }),
      fail: () => {
        throw new Error('the lamp is broken');
      },
    };
    const device = await powerOn({ flash, client, methods, endpoint });
    t.teardown(() => device.stop());
    const hub = cloud.hub(device.hub as string);
    t.match(await hub.invokeMethod('pump-1', { name: 'blink', payload: 2 }), { status: 200, payload: { blinked: 2 } });
    t.match(await hub.invokeMethod('pump-1', { name: 'fail' }), { status: 500, payload: { error: 'the lamp is broken' } });
    const again = once(device, 'running');
    t.match(await hub.invokeMethod('pump-1', { name: 'reprovision' }), { status: 202, payload: { accepted: 'reprovision' } });
    await again;
    t.equal(device.counters.registrations, 2);
    t.match(
      await hub.invokeMethod('pump-1', { name: 'blink', payload: 5 }),
      { status: 200, payload: { blinked: 5 } },
      'in the next session, too',
    );
    if (client === 'wire') t.match(await hub.invokeMethod('pump-1', { name: 'unknown' }), { status: 404 });
    else t.equal(device.client === undefined, false);
  });
}

t.test('the wire client has no official one to hand out', async (t) => {
  const { flash, endpoint } = await bench(t);
  const device = await powerOn({ flash, client: 'wire', endpoint });
  t.teardown(() => device.stop());
  t.equal(device.client, undefined);
});

t.test('options that no compiler looked at are refused before anything is opened', async (t) => {
  const flash = memoryStorage(Buffer.alloc(0));
  for (const [what, options, message] of [
    ['no flash', {}, /flash is neither a path nor a storage; seen "undefined"/],
    ['flash that is a number', { flash: 5 }, /flash is neither/],
    ['a transport that is none', { flash, transport: 'smtp' }, /no such transport; seen "smtp"; expected mqtt, /],
    ['a client that is none', { flash, client: 'curl' }, /no such client; seen "curl"; expected sdk, wire/],
    ['what does not go together', { flash, client: 'wire', transport: 'amqp' }, /wire client speaks MQTT alone/],
  ] as const) {
    await t.rejects(powerOn(options as unknown as Parameters<typeof powerOn>[0]), { code: 'BAD_OPTION', message }, what);
  }
});
