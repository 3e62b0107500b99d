import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { type ClientName, clientNames } from '@zerotouch/firmware-sim/transport/client-names';
import type { TransportName } from '@zerotouch/firmware-sim/transport/transport-names';
import { composeImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import t from 'tap';
import { Relay } from '../transport/relay.js';

const key = Buffer.alloc(32, 7);
const ways: readonly (readonly [ClientName, TransportName])[] = [
  ...clientNames.flatMap((client) => [[client, 'mqtt'] as const, [client, 'mqtt-ws'] as const]),
  ['sdk', 'amqp'],
  ['sdk', 'amqp-ws'],
];

for (const [client, transport] of ways) {
  t.test(`a warm boot takes one TLS handshake and asks DPS nothing: ${client} over ${transport}`, async (t) => {
    await using cloud = await startCloud({ retryAfterSeconds: 0 });
    await cloud.enrolments.putIndividual({
      registrationId: 'pump-1',
      attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key.toString('base64'), secondaryKey: key.toString('base64') } },
    });
    const asked: string[] = [];
    using _ = cloud.use({
      name: 'counts',
      dps: (call, next) => {
        asked.push(call.kind);
        return next();
      },
    });
    const to = { mqtt: cloud.dps.mqttPort, amqp: cloud.dps.amqpPort }[transport as string] ?? cloud.dps.httpsPort;
    await using way = await Relay.open(to);
    const at = { host: 'localhost', port: way.port };
    const endpoint = { dpsHost: at.host, dpsPort: at.port, gateway: at, ports: { amqp: way.port, https: way.port }, ca: cloud.ca };
    const factory = { idScope: cloud.dps.idScope, endpoint: cloud.dps.host, registrationId: 'pump-1', serial: '1', symmetricKey: key };
    let image: Uint8Array = composeImage({ factory });
    const boot = async (): Promise<{ handshakes: number; asked: string[] }> => {
      way.handshakes = 0;
      asked.length = 0;
      const flash = memoryStorage(image);
      const device = await powerOn({ flash, client, transport, endpoint });
      await device.stop();
      image = Buffer.from(flash.read(0, flash.size));
      return { handshakes: way.handshakes, asked: [...asked] };
    };
    const cold = await boot();
    t.equal(cold.handshakes, 2, 'cold: DPS, and the hub');
    t.equal(cold.asked[0], 'register');
    t.strictSame(await boot(), { handshakes: 1, asked: [] }, 'warm: the hub alone');
  });
}
