import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import { type Device, type DeviceOptions, powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { clientNames } from '@zerotouch/firmware-sim/transport/client-names';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t, { type Test } from 'tap';

const spec = `version: 1
batch: bench
groups:
  - { attestation: x509, enrolmentGroup: certified, registrationId: 'x-{serial}', serial: { start: 1, count: 2 }, initialTwin: { desired: { interval: 10 } } }
  - { attestation: symmetric-key, enrolmentGroup: keyed, registrationId: 'k-{serial}', serial: { start: 3, count: 2 }, initialTwin: { desired: { interval: 10 } } }
  - { attestation: x509, enrolment: individual, registrationId: 'xi-{serial}', serial: { start: 5, count: 2 }, initialTwin: { desired: { interval: 10 } } }
`;

/** A burnt batch and a cloud that knows it. */
async function bench(t: Test): Promise<{ cloud: Cloud; image: (id: string) => string; options: Pick<DeviceOptions, 'endpoint'> }> {
  const out = join(t.testdir(), 'batch');
  await burnBatch(parseSpec(spec, 'bench.yaml'), { out, clock: systemClock, entropy: systemEntropy });
  const cloud = await startCloud({ retryAfterSeconds: 0 });
  t.teardown(() => cloud.close());
  await cloud.import(JSON.parse(readFileSync(join(out, 'enrolments.json'), 'utf8')) as EnrolmentFile);
  const gateway = { host: 'localhost', port: cloud.dps.mqttPort };
  const endpoint = { dpsHost: gateway.host, dpsPort: gateway.port, gateway, ca: cloud.ca };
  return { cloud, image: (id) => join(out, 'images', `${id}.bin`), options: { endpoint } };
}

for (const [index, client] of clientNames.entries()) {
  for (const kind of ['x', 'k', 'xi']) {
    t.test(`a device of kind ${kind} with the ${client} client`, async (t) => {
      const { cloud, image, options } = await bench(t);
      const id = `${kind}-${String(({ x: 1, k: 3, xi: 5 } as Record<string, number>)[kind] ?? 0).padStart(6, '0')}`;
      const registered: string[] = [];
      cloud.events.on('registered', ({ registrationId }) => registered.push(registrationId));

      const device = await powerOn({ flash: image(id), client, ...options });
      t.teardown(() => device.stop());
      t.match(device, { deviceId: id, config: { version: 1, values: { interval: 10 } } });
      t.strictSame(device.counters, { boots: 1, registrations: 1 });
      const hub = cloud.hub(device.hub as string);
      t.match((await hub.twin(id)).properties.reported, { config: { desiredVersion: 1, status: 'applied' } });

      t.test('sends telemetry that the hub acknowledges', async (t) => {
        const arrived = once(cloud.events, 'telemetry');
        await device.send({ celsius: 21.5 });
        const [{ deviceId, body }] = (await arrived) as [{ deviceId: string; body: Buffer }];
        t.strictSame([deviceId, JSON.parse(body.toString())], [id, { celsius: 21.5 }]);
      });

      t.test('applies a change of its desired properties, and reports the version', async (t) => {
        const reported = once(cloud.events, 'reported');
        const version = await hub.updateDesired(id, { interval: 3 });
        t.match((await reported)[0], { deviceId: id, patch: { config: { desiredVersion: version, status: 'applied' } } });
        t.equal(device.config?.values.interval, 3);
      });

      t.test('comes back after the hub drops it, without DPS', async (t) => {
        const again = once(device, 'running');
        t.equal(await hub.disconnect(id), 1);
        await again;
        t.strictSame(registered, [id]);
      });

      t.test('does what a direct method tells it: registers again', async (t) => {
        const again = once(device, 'running');
        t.match(await hub.invokeMethod(id, { name: 'reprovision' }), { status: 202, payload: { accepted: 'reprovision' } });
        await again;
        t.strictSame(registered, [id, id]);
        t.strictSame(device.counters, { boots: 1, registrations: 2 });
        t.match(await hub.invokeMethod(id, { name: 'change-owner', payload: { idScope: 'no scope' } }), { status: 400 });
      });

      t.test('booted again, it goes to its hub at once, whichever client it has', async (t) => {
        await device.stop();
        t.equal(device.state.state, 'off');
        const other = clientNames[(index + 1) % clientNames.length] ?? client;
        const second = await powerOn({ flash: image(id), client: other, ...options });
        t.strictSame(second.counters, { boots: 2, registrations: 2 });
        t.equal(second.config?.values.interval, 3);
        t.strictSame(registered, [id, id], 'DPS was not asked');
        await second.stop();
      });
    });
  }
}

t.test('what goes wrong is told, and leaves nothing running', async (t) => {
  const { cloud, image, options } = await bench(t);
  const giveUp = { ...options, giveUpWhenRefused: true };

  t.test('an enrolment that is disabled or gone', async (t) => {
    await cloud.enrolments.deleteIndividual('xi-000005');
    for (const client of clientNames) {
      const states: string[] = [];
      const watch = (device: Device): void => {
        device.on('state', ({ state }) => states.push(state));
      };
      await t.rejects(powerOn({ flash: image('xi-000005'), client, ...giveUp, watch }), {
        code: 'BOOT_REFUSED',
        where: 'xi-000005',
        seen: Number,
      });
      t.strictSame(states.slice(-2), ['refused', 'off']);
    }
    const group = await cloud.enrolments.getGroup('keyed');
    if (group !== undefined) await cloud.enrolments.putGroup({ ...group, provisioningStatus: 'disabled' });
    for (const client of clientNames) {
      await t.rejects(powerOn({ flash: image('k-000004'), client, ...giveUp }), { code: 'BOOT_REFUSED', where: 'k-000004' });
    }
  });

  t.test('nobody there: the signal ends it', async (t) => {
    const nowhere = { dpsHost: 'localhost', dpsPort: 1 };
    const ended = new AbortController();
    const watch = (device: Device): void => {
      device.on('wait', () => ended.abort());
    };
    await t.rejects(powerOn({ flash: image('x-000001'), endpoint: nowhere, signal: ended.signal, watch }), { code: 'BOOT_UNREACHABLE' });
  });

  t.test('an image that is none', async (t) => {
    const dir = t.testdir({ 'junk.bin': 'junk' });
    await t.rejects(powerOn({ flash: join(dir, 'junk.bin'), ...options }), { code: 'IMAGE_SHORT' });
  });

  t.test('a cloud with another CA is not trusted', async (t) => {
    const stranger = await startCloud();
    const gateway = { host: 'localhost', port: stranger.dps.mqttPort };
    const endpoint = { dpsHost: gateway.host, dpsPort: gateway.port, gateway, ca: cloud.ca };
    for (const client of clientNames) {
      const ended = new AbortController();
      const watch = (device: Device): void => {
        device.on('failure', () => ended.abort());
      };
      await t.rejects(powerOn({ flash: image('x-000002'), client, endpoint, signal: ended.signal, watch }), { code: 'BOOT_UNREACHABLE' });
    }
    await stranger.close();
  });

  t.test('a message from a device that is not connected', async (t) => {
    const device = await powerOn({ flash: image('x-000001'), ...options });
    await device.stop();
    await t.rejects(device.send({ lost: true }), { code: 'NOT_CONNECTED', where: 'x-000001' });
  });
});
