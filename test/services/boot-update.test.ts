import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { encodeApp } from '@zerotouch/flash-image/app-image';
import { composeImage } from '@zerotouch/flash-image/image';
import { slottedLayout } from '@zerotouch/flash-image/layout';
import t from 'tap';
import { lastLine, run } from '../scripts/support/command.js';

const app = (version: number) => encodeApp([{ address: 0x3c000000, bytes: Buffer.alloc(32, version) }]);

// The minute is a real one.
t.test('boot --update: a new application runs for a minute, and stays', async (t) => {
  const dir = t.testdir();
  const key = Buffer.alloc(32, 7);
  const cloud = await startCloud();
  t.teardown(() => cloud.close());
  const symmetricKey = { primaryKey: key.toString('base64'), secondaryKey: key.toString('base64') };
  await cloud.enrolments.putIndividual({ registrationId: 'pump-1', attestation: { type: 'symmetricKey', symmetricKey } });
  writeFileSync(join(dir, 'ca.pem'), cloud.ca);
  writeFileSync(join(dir, 'cloud.json'), JSON.stringify({ ca: 'ca.pem', dps: { host: 'localhost', mqttPort: cloud.dps.mqttPort } }));
  const factory = { idScope: cloud.dps.idScope, endpoint: cloud.dps.host, registrationId: 'pump-1', serial: '1', symmetricKey: key };
  writeFileSync(join(dir, 'pump.bin'), composeImage({ layout: slottedLayout, factory, app: app(1) }));
  writeFileSync(join(dir, 'app-2.bin'), app(2));

  const updated = await run(
    dir,
    'boot',
    'pump.bin',
    '--update',
    'app-2.bin',
    '--once',
    '--json',
    '--client',
    'wire',
    '--cloud',
    'cloud.json',
  );
  t.equal(updated.code, 0, updated.stderr);
  t.match(updated.stdout, /"updated":"ota_1"/);
  t.match(lastLine(updated), { state: 'running', registrations: 1, boots: 2 });
  const looked = await run(dir, 'inspect', 'pump.bin', '--json');
  t.match(lastLine(looked), { slots: { boots: 'ota_1', onTrial: false, entries: [{ state: 'valid', sequence: 2 }, {}] } });
});
