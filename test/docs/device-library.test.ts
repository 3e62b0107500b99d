import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t from 'tap';

const guide = readFileSync(new URL('../../../docs/guides/device-library.md', import.meta.url), 'utf8');
const spec = `version: 1
batch: ten
groups:
  - { attestation: symmetric-key, enrolmentGroup: ten, registrationId: 'ten-{serial}', serial: { count: 1 }, initialTwin: { desired: { interval: 7 } } }
`;

// Its types, and the other examples', are held against the published package by scripts/checks/packed.mjs.
t.test('the ten lines of the guide run as they stand', async (t) => {
  const [, code = ''] = /^```ts file=first\.ts\n([\s\S]*?)^```$/m.exec(guide) ?? [];
  t.ok(code.split('\n').filter((line) => line !== '').length <= 10);
  const cloud = await startCloud({ retryAfterSeconds: 0 });
  t.teardown(() => cloud.close());
  const at = { host: 'localhost', port: cloud.dps.mqttPort };
  const endpoint = { dpsHost: at.host, dpsPort: at.port, gateway: at, ca: cloud.ca };
  const dir = t.testdir({
    'first.mjs': code.replace("'zerotouch-device'", "'./device.mjs'"),
    // The package, but in a world whose DPS is the local one.
    'device.mjs': `import { powerOn as real } from ${JSON.stringify(import.meta.resolve('@zerotouch/firmware-sim/runtime/power-on'))};
export const powerOn = (options) => real({ ...options, endpoint: ${JSON.stringify(endpoint)} });`,
  });
  await burnBatch(parseSpec(spec, 'ten.yaml'), { out: join(dir, 'batch'), clock: systemClock, entropy: systemEntropy });
  await cloud.import(JSON.parse(readFileSync(join(dir, 'batch', 'enrolments.json'), 'utf8')) as EnrolmentFile);
  copyFileSync(join(dir, 'batch', 'images', 'ten-000001.bin'), join(dir, 'image.bin'));
  const taken: unknown[] = [];
  cloud.events.on('telemetry', ({ body }) => taken.push(JSON.parse(body.toString())));
  const { stdout } = await promisify(execFile)(process.execPath, ['first.mjs'], { cwd: dir });
  t.match(stdout, /^ten-000001 hub-\S+\.azure-devices\.net \{ interval: 7 \}\n$/);
  t.strictSame(taken, [{ celsius: 21.5 }]);
});
