import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { composeImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import t from 'tap';
import { cloudFor, derived, key, keyGroup } from '../../cloud-sim/clouds.js';

const [OLD, OTHER, NEW] = ['old primary', 'secondary', 'new primary'].map(key) as [string, string, string];
const bytes = (groupKey: string) => Buffer.from(derived(groupKey, 'dev-1'), 'base64');

for (const client of ['sdk', 'wire'] as const) {
  t.test(`the primary key of a group is replaced: ${client}`, async (t) => {
    const cloud = await cloudFor(t);
    const keys = (primaryKey: string, secondaryKey: string) => ({
      attestation: { type: 'symmetricKey', symmetricKey: { primaryKey, secondaryKey } },
    });
    await keyGroup(cloud, 'line-7', NEW, keys(NEW, OTHER));
    const image = composeImage({
      factory: {
        idScope: cloud.dps.idScope,
        endpoint: 'global.azure-devices-provisioning.net',
        registrationId: 'dev-1',
        serial: '1',
        symmetricKey: bytes(OLD),
        secondaryKey: bytes(OTHER),
      },
    });
    const asked = async () => (await cloud.attempts('dev-1')).filter(({ service }) => service === 'dps').length;
    const gateway = { host: 'localhost', port: cloud.dps.mqttPort };
    const options = { client, endpoint: { dpsHost: gateway.host, dpsPort: gateway.port, gateway, ca: cloud.ca } };
    const device = await powerOn({ flash: memoryStorage(image), ...options, giveUpWhenRefused: true });
    t.strictSame(device.counters, { boots: 1, registrations: 1 });
    await device.stop();
    t.equal(await asked(), 2, 'the first key was refused, the second taken');

    const again = await powerOn({ flash: memoryStorage(image), ...options, giveUpWhenRefused: true });
    again.obey({ command: 'reprovision' });
    await new Promise<void>((resolve) => again.once('running', resolve));
    await again.stop();
    t.equal(await asked(), 3, 'and remembered');
  });
}
