import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { updateApplication } from '@zerotouch/firmware-sim/runtime/application-update';
import { type DeviceOptions, powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { encodeApp } from '@zerotouch/flash-image/app-image';
import { composeImage } from '@zerotouch/flash-image/image';
import { defaultLayout, slottedLayout } from '@zerotouch/flash-image/layout';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import t from 'tap';

const key = Buffer.alloc(32, 7);
const app = (version: number) => encodeApp([{ address: 0x3c000000, bytes: Buffer.alloc(32, version) }]);
const patient = (): AbortSignal => new AbortController().signal;

t.test('a new application is handed in, tried, and stays or goes', async (t) => {
  const cloud = await startCloud({ retryAfterSeconds: 0 });
  t.teardown(() => cloud.close());
  const symmetricKey = { primaryKey: key.toString('base64'), secondaryKey: key.toString('base64') };
  await cloud.enrolments.putIndividual({ registrationId: 'pump-1', attestation: { type: 'symmetricKey', symmetricKey } });
  const at = { host: 'localhost', port: cloud.dps.mqttPort };
  const endpoint = { dpsHost: at.host, dpsPort: at.port, gateway: at, ca: cloud.ca };
  const factory = { idScope: cloud.dps.idScope, endpoint: cloud.dps.host, registrationId: 'pump-1', serial: '1', symmetricKey: key };
  const boot = async (options: Partial<DeviceOptions>, layout = slottedLayout) => {
    const image = composeImage({ layout, factory, ...(layout === slottedLayout ? { app: app(1) } : {}) });
    const device = await powerOn({ flash: memoryStorage(image), client: 'wire', endpoint, policy: { healthMs: 1 }, ...options });
    t.teardown(() => device.stop());
    return device;
  };

  const kept = await boot({});
  t.strictSame(await updateApplication(kept, app(2), patient()), { name: 'ota_1', onTrial: false });
  t.strictSame(await updateApplication(kept, app(3), patient()), { name: 'ota_0', onTrial: false }, 'and the next one');
  await t.rejects(updateApplication(kept, app(4).subarray(0, 50), patient()), { code: 'UPDATE_FAILED', message: /ota_0 runs/ });
  await kept.stop();

  const given = await boot({
    check: async () => {
      throw new Error('the sensor is silent');
    },
  });
  await t.rejects(updateApplication(given, app(2), patient()), { code: 'UPDATE_FAILED', message: /sensor is silent.*ota_0 runs/ });
  await given.stop();

  const slow = await boot({ policy: { healthMs: 1e9 } });
  const over = new AbortController();
  slow.on('slots', ({ state }) => state === 'trying' && over.abort());
  await t.rejects(updateApplication(slow, app(2), over.signal), { code: 'BOOT_UNREACHABLE', message: /not proved itself in time/ });
  await t.rejects(updateApplication(slow, app(2), patient()), { code: 'NO_SLOTS', message: /ota_1 is on trial/ });
  await slow.stop();

  const bare = await boot({}, defaultLayout);
  await t.rejects(updateApplication(bare, app(2), patient()), { code: 'NO_SLOTS', message: /has no slot/ });
  await bare.stop();
});
