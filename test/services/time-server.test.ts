import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { SettableClock, timePort } from '@zerotouch/firmware-sim/runtime/time-server';
import { composeImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import t from 'tap';

/** The NTP server that scripts/services.sh started. */
const server = process.env.ZT_TEST_TIME_SERVER;
if (server === undefined) throw new Error('ZT_TEST_TIME_SERVER is not set: run npm run test:services');

/** A device that woke up in 1970. */
const asleep = (): Clock => ({ ...systemClock, now: () => systemClock.monotonic() });
const MINUTE_MS = 60_000;

t.test('a foreign time server sets the clock of a device that woke up in 1970', async (t) => {
  const clock = new SettableClock(asleep());
  t.equal(await timePort(clock, ['127.0.0.1:1', server]).set(new AbortController().signal), 'clock-set');
  t.ok(Math.abs(clock.now() - Date.now()) < MINUTE_MS);
});

t.test('so its tokens are good, and it reaches its hub; without a time server it does not', async (t) => {
  const cloud = await startCloud({ retryAfterSeconds: 0 });
  t.teardown(() => cloud.close());
  const key = Buffer.alloc(32, 7);
  const symmetricKey = { primaryKey: key.toString('base64'), secondaryKey: key.toString('base64') };
  await cloud.enrolments.putIndividual({ registrationId: 'pump-1', attestation: { type: 'symmetricKey', symmetricKey } });
  const at = { host: 'localhost', port: cloud.dps.mqttPort };
  const endpoint = { dpsHost: at.host, dpsPort: at.port, gateway: at, ca: cloud.ca };
  const factory = { idScope: cloud.dps.idScope, endpoint: cloud.dps.host, registrationId: 'pump-1', serial: '1', symmetricKey: key };
  const image = composeImage({ factory });
  const boot = (timeServers: string[]) =>
    powerOn({ flash: memoryStorage(Buffer.from(image)), endpoint, clock: asleep(), timeServers, giveUpWhenRefused: true });
  await t.rejects(boot([]), { code: 'BOOT_REFUSED' });
  const device = await boot([server]);
  t.equal(device.state.state, 'running');
  await device.stop();
});
