import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import { readReport } from '@zerotouch/fleet-sim/report/files';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t from 'tap';
import { ending, lastLine, run, start } from '../scripts/support/command.js';

const DEVICES = 24;
const folder = t.testdir({
  'fleet.yaml': 'version: 1\nimages: batch\n',
  'stay.yaml': 'version: 1\nimages: batch\nafterwards: { stayForSeconds: 3000 }\n',
  'kept.yaml': 'version: 1\nimages: batch\nwriteBack: true\n',
  'twins.yaml': 'version: 1\nimages: twins\n',
  'nowhere.yaml': 'version: 1\nimages: nowhere\n',
});
const images = join(folder, 'batch', 'images');
let cloud: Cloud;

t.before(async () => {
  const group = `{ enrolmentGroup: x, attestation: x509, registrationId: "pump-{serial}", serial: { count: ${DEVICES} } }`;
  const spec = parseSpec(`version: 1\nbatch: fleet\ngroups:\n  - ${group}\n`, 'batch.yaml');
  await burnBatch(spec, { out: join(folder, 'batch'), clock: systemClock, entropy: systemEntropy });
  const [first = ''] = readdirSync(images).filter((name) => name.endsWith('.bin'));
  mkdirSync(join(folder, 'twins'));
  for (const name of ['a.bin', 'b.bin']) copyFileSync(join(images, first), join(folder, 'twins', name));
  cloud = await startCloud({ retryAfterSeconds: 0 });
  await cloud.import(JSON.parse(readFileSync(join(folder, 'batch', 'enrolments.json'), 'utf8')) as EnrolmentFile);
  const { mqttPort, amqpPort, httpsPort } = cloud.dps;
  writeFileSync(join(folder, 'ca.pem'), cloud.ca);
  writeFileSync(join(folder, 'cloud.json'), JSON.stringify({ dps: { host: 'localhost', mqttPort, amqpPort, httpsPort }, ca: 'ca.pem' }));
});
t.teardown(() => cloud.close());

const fleet = (spec: string, ...more: string[]) => ['fleet', spec, '--cloud', 'cloud.json', ...more];
const locks = () => readdirSync(images).filter((name) => name.endsWith('.lock'));

t.test('what a fleet cannot do is one clear line and exit code 2, before any device is powered on', async (t) => {
  let tried = 0;
  const count = (): void => {
    tried += 1;
  };
  cloud.events.on('connected', count).on('registered', count);
  const line = (ended: Awaited<ReturnType<typeof ending>>, says: RegExp): void => {
    t.equal(ended.code, 2, ended.stderr);
    t.match(ended.stderr, says);
    t.equal(ended.stderr.trim().split('\n').length, 1, 'one line');
    t.equal(ended.stdout, '');
  };
  const quiet = ['--quiet', '--json'];
  line(await run(folder, ...fleet('nowhere.yaml', ...quiet)), /nowhere.*no images here.*zerotouch burn/);
  line(await run(folder, ...fleet('twins.yaml', ...quiet)), /two images hold the registration id "pump-0*1".*[ab]\.bin/);
  const [first = ''] = readdirSync(images);
  writeFileSync(join(images, `${first}.lock`), String(process.pid));
  line(
    await run(folder, ...fleet('kept.yaml', ...quiet, '--workers', '1')),
    new RegExp(`${first}: the image is in use \\(process ${process.pid}\\)`),
  );
  t.strictSame(locks(), [`${first}.lock`], "no lock is left but the other's");
  rmSync(join(images, `${first}.lock`));
  const shim = fileURLToPath(new URL('../../../scripts/zerotouch.mjs', import.meta.url));
  const few = ['-c', 'ulimit -n 110; exec "$@"', 'few', process.execPath, shim, ...fleet('fleet.yaml', ...quiet, '--workers', '1')];
  line(
    await ending(spawn('/bin/sh', few, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })),
    /may not open as many files.*--workers 3.*ulimit -n/,
  );
  cloud.events.off('connected', count).off('registered', count);
  t.equal(tried, 0);
});

t.test('what devices write survives the fleet when it is written back', async (t) => {
  const registered: string[] = [];
  const note = ({ registrationId }: { registrationId: string }): void => {
    registered.push(registrationId);
  };
  cloud.events.on('registered', note);
  for (const round of [1, 2]) {
    const ended = await run(folder, ...fleet('kept.yaml', '--quiet', '--json'));
    t.equal(ended.code, 0, ended.stderr);
    t.match(lastLine(ended), { devices: DEVICES, running: DEVICES, failed: 0 });
    t.equal(registered.length, DEVICES, `round ${round}: the second time nobody asks DPS`);
  }
  cloud.events.off('registered', note);
  t.strictSame(locks(), []);
});

t.test('Ctrl-C switches every device off, tells what was until then, and leaves nothing behind', async (t) => {
  let online = 0;
  let all = (): void => undefined;
  let none = (): void => undefined;
  const up = new Promise<void>((resolve) => {
    all = resolve;
  });
  const down = new Promise<void>((resolve) => {
    none = resolve;
  });
  cloud.events.on('connected', () => {
    online += 1;
    if (online === DEVICES) all();
  });
  cloud.events.on('disconnected', () => {
    online -= 1;
    if (online === 0) none();
  });
  const child = start(folder, ...fleet('stay.yaml', '--quiet', '--json', '--report', 'stopped.html'));
  const end = ending(child);
  await up;
  child.kill('SIGINT');
  const ended = await end;
  t.equal(ended.code, 130);
  t.match(lastLine(ended), { devices: DEVICES, running: Number, aborted: true });
  await down;
  t.match((await readReport(join(folder, 'stopped.html'))).figures, { devices: DEVICES, aborted: true });
});
