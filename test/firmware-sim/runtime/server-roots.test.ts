import { X509Certificate } from 'node:crypto';
import { Standing } from '@zerotouch/firmware-sim/agent/standing';
import { rootWarnings } from '@zerotouch/firmware-sim/boot/root-warnings';
import { readServerRoots } from '@zerotouch/firmware-sim/identity/server-roots';
import { type Device, type DeviceWarning, powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { composeImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { systemClock } from '@zerotouch/foundation/clock';
import t, { type Test } from 'tap';
import { cloudFor, derived, key, keyGroup } from '../../cloud-sim/clouds.js';
import { makeAuthority } from '../transport/certificates.js';

const KEY = key('line-7');
// The CA of a local cloud ends with 2049.
const LATE = Date.UTC(2049, 10, 1);

/** Two clouds of one company, each under a CA of its own: before and after its server certificates moved to another root. */
async function clouds(t: Test) {
  const [before, after] = [await cloudFor(t), await cloudFor(t)];
  for (const cloud of [before, after]) await keyGroup(cloud, 'line-7', KEY);
  const image = (serverRoots: string) =>
    composeImage({
      factory: {
        idScope: before.dps.idScope,
        endpoint: 'global.azure-devices-provisioning.net',
        registrationId: 'dev-1',
        serial: '1',
        symmetricKey: Buffer.from(derived(KEY, 'dev-1'), 'base64'),
        serverRoots,
      },
    });
  return { before, after, image };
}

for (const client of ['sdk', 'wire'] as const) {
  t.test(`the servers move to another root: ${client}`, async (t) => {
    const { before, after, image } = await clouds(t);
    /** Boots a device as it was burnt; the CA that it is given beside its image is always the right one. */
    const boot = async (burnt: Buffer, { dps, ca }: typeof before, now?: number, watch: (device: Device) => void = () => undefined) => {
      const warnings: DeviceWarning[] = [];
      const gateway = { host: 'localhost', port: dps.mqttPort };
      const device = await powerOn({
        flash: memoryStorage(Buffer.from(burnt)),
        client,
        endpoint: { dpsHost: gateway.host, dpsPort: gateway.port, gateway, ca },
        clock: now === undefined ? systemClock : { ...systemClock, now: () => now },
        watch: (device) => {
          device.on('warning', (warning) => warnings.push(warning));
          watch(device);
        },
      });
      await device.stop();
      return warnings;
    };
    const both = image(`${before.ca}\n${after.ca}`);
    t.strictSame(await boot(both, before), [], 'an image with both roots boots before');
    t.strictSame(await boot(both, after), [], 'and after');

    const old = image(before.ca);
    t.strictSame(await boot(old, before), []);
    const refused = new Promise<string>((resolve, reject) => {
      boot(old, after, undefined, (device) => {
        device.on('failure', ({ failure: { outcome, detail } }) => {
          resolve(`${outcome}: ${detail}`);
          void device.stop();
        });
      }).catch(reject);
    });
    t.match(
      await refused,
      /^unreachable: .*ends at CN=zerotouch local cloud CA, which is none of the server roots in the image: CN=.* until 2049-12-31/,
    );

    const told = new Promise((resolve) => before.events.on('reported', resolve));
    const standing = new Standing(systemClock);
    const warned = await boot(both, before, LATE, (device) => standing.attend(device));
    t.match(warned, [
      { code: 'SERVER_ROOT_RETIRES', where: /CN=zerotouch/, until: '2049-12-31T23:59:59.000Z' },
      { code: 'SERVER_ROOTS_RETIRE', remedy: /burn/ },
    ]);
    t.strictSame(standing.health({ file: 'device.yaml', from: 'file', refused: null }, '0.0.0').warnings, warned, 'its health tells them');
    t.match(await told, { patch: { warnings: { SERVER_ROOT_RETIRES: { until: '2049-12-31T23:59:59.000Z' } } } }, 'the hub is told');
  });
}

t.test('what is told of server roots', async (t) => {
  // Good for a year from now.
  const { certificate } = await makeAuthority('old root');
  const { pem: lasting } = readServerRoots((await cloudFor(t)).ca);
  const [used, day] = [new X509Certificate(certificate), 24 * 3600_000];
  const in280Days = Date.now() + 280 * day;
  const told = (pem: string, now?: number) => rootWarnings(readServerRoots(pem), used, now).map(({ code }) => code);
  t.strictSame(told(certificate, Date.now()), []);
  t.strictSame(told(`${certificate}\n${lasting}`, in280Days), ['SERVER_ROOT_RETIRES'], 'the one in use retires, another lasts');
  t.strictSame(told(certificate, in280Days), ['SERVER_ROOT_RETIRES', 'SERVER_ROOTS_RETIRE']);
  t.strictSame(told(certificate), [], 'a clock that was never set judges nothing');
  const broken = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
  t.strictSame(told(broken + certificate), ['SERVER_ROOT_UNREADABLE'], 'the others serve');
  t.throws(() => readServerRoots(broken), { code: 'IDENTITY_SERVER_ROOTS', remedy: /burn/ }, 'no falling back on whom nobody chose');
});
