import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { composeImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import t from 'tap';
import { cloudFor, derived, key, keyGroup, lastAttempt } from '../../cloud-sim/clouds.js';

const GROUP_KEY = key('line 7');

for (const client of ['sdk', 'wire'] as const) {
  t.test(`a device has DPS issue its certificate and signs in to its hub with it: ${client}`, async (t) => {
    const cloud = await cloudFor(t);
    await keyGroup(cloud, 'line-7', GROUP_KEY, { credentialPolicyName: 'line' });
    const factory = {
      idScope: cloud.dps.idScope,
      endpoint: 'global.azure-devices-provisioning.net',
      registrationId: 'dev-1',
      serial: '1',
      symmetricKey: Buffer.from(derived(GROUP_KEY, 'dev-1'), 'base64'),
    };
    const image = composeImage({ factory });
    const gateway = { host: 'localhost', port: cloud.dps.mqttPort };
    const endpoint = { dpsHost: gateway.host, dpsPort: gateway.port, gateway, ca: cloud.ca };
    for (const boot of [1, 2]) {
      const device = await powerOn({ flash: memoryStorage(image), endpoint, client, certificate: 'issued' });
      t.match(await lastAttempt(cloud, 'dev-1'), { service: 'hub', outcome: 'signed-in' });
      t.strictSame(device.counters, { boots: boot, registrations: 1 }, 'kept for the next boot');
      if (boot === 2) {
        device.obey({ command: 'reprovision' });
        await new Promise<void>((resolve) => device.once('running', resolve));
        t.equal(device.counters.registrations, 2, 'and another one on demand, with which the hub lets it in again');
      }
      await device.stop();
    }
  });
}
