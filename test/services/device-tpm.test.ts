import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { tpmWrapper } from '@zerotouch/cloud-sim/tpm/wrap';
import { Tpm } from '@zerotouch/firmware-sim/identity/tpm/tpm';
import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { composeImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import t from 'tap';
import { ToolsTpm } from './tpm.js';

/** The TPM that scripts/services.sh started, as tpm2-tools name it, and so do we. */
const name = process.env.ZT_TEST_TPM;
if (name === undefined) throw new Error('ZT_TEST_TPM is not set: run npm run test:services');

t.test('our client and tpm2-tools are told the same keys', async (t) => {
  await using tpm = new Tpm(name);
  const [endorsementKey, storageRootKey] = [await tpm.endorsementKey(), await tpm.storageRootKey()];
  await tpm[Symbol.asyncDispose]();
  const tools = new ToolsTpm('tpm-1', t.testdir(), name);
  t.strictSame(endorsementKey, tools.endorsementKey);
  t.strictSame(storageRootKey, await new Promise((resolve) => tools.getStorageRootKey((_, key) => resolve(key))));
});

t.test('what is wrapped for the TPM is taken in, signs, and is replaced by the next', async (t) => {
  await using tpm = new Tpm(name);
  const keys = { endorsementKey: await tpm.endorsementKey(), storageRootKey: await tpm.storageRootKey() };
  for (const length of [16, 32, 64]) {
    const key = randomBytes(length);
    await tpm.activate(await tpmWrapper(systemEntropy)(key, keys));
    t.strictSame(await tpm.sign(Buffer.from('hello')), createHmac('sha256', key).update('hello').digest(), `${length} bytes`);
  }
});

t.test('a blob for another TPM, or a damaged one, is turned down, and leaves nothing behind', async (t) => {
  await using tpm = new Tpm(name);
  const keys = { endorsementKey: await tpm.endorsementKey(), storageRootKey: await tpm.storageRootKey() };
  const blob = Buffer.from(await tpmWrapper(systemEntropy)(randomBytes(32), keys));
  blob[40] = (blob[40] ?? 0) ^ 1;
  // More often than the TPM has room for sessions.
  for (let count = 0; count < 10; count++) await t.rejects(tpm.activate(blob), { code: 'TPM_REFUSED' });
  await t.rejects(tpm.activate(blob.subarray(0, 30)), { code: 'TPM_GARBLED' });
});

for (const transport of ['amqp', 'amqp-ws', 'http'] as const) {
  t.test(`a device with no secret in its image reaches its hub by its TPM, DPS over ${transport}`, async (t) => {
    const cloud = await startCloud({ retryAfterSeconds: 0 });
    t.teardown(() => cloud.close());
    const endorsementKey = await withTpm(async (tpm) => (await tpm.endorsementKey()).toString('base64'));
    await cloud.enrolments.putIndividual({ registrationId: 'pump-1', attestation: { type: 'tpm', tpm: { endorsementKey } } });
    const factory = { idScope: cloud.dps.idScope, endpoint: cloud.dps.host, registrationId: 'pump-1', serial: '1' };
    const image = composeImage({ factory });
    const at = { host: 'localhost', port: cloud.dps.mqttPort };
    const ports = { amqp: cloud.dps.amqpPort, https: cloud.dps.httpsPort };
    const endpoint = { dpsHost: at.host, dpsPort: at.port, gateway: at, ports, ca: cloud.ca };
    const flash = memoryStorage(image);
    const device = await powerOn({ flash, tpm: name, transport, endpoint });
    t.match(device, { deviceId: 'pump-1', counters: { boots: 1, registrations: 1 } });
    const arrived = once(cloud.events, 'telemetry');
    await device.send({ celsius: 21 });
    t.match(await arrived, [{ deviceId: 'pump-1' }]);
    await device.stop();

    // The key is in the TPM: another boot needs no DPS.
    const again = await powerOn({ flash: memoryStorage(Buffer.from(flash.read(0, flash.size))), tpm: name, transport, endpoint });
    t.match(again, { deviceId: 'pump-1', counters: { boots: 2, registrations: 1 } });
    await again.stop();
  });
}

async function withTpm<T>(use: (tpm: Tpm) => Promise<T>): Promise<T> {
  await using tpm = new Tpm(name as string);
  return use(tpm);
}
