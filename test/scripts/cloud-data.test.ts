import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ending, firstLine, lastLine, run, runHere, start } from './support/command.js';

interface Ready {
  dps: { serviceConnectionString: string };
  hubs: unknown;
  ca: string;
}

const spec = `version: 1
batch: kept
groups:
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'probe-{serial}', serial: { count: 1 } }
`;

t.test('a cloud with --data and two fronts, killed and started again without, is the same to its devices and services', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  t.equal((await runHere(dir, 'burn', 'batch.yaml', '--out', 'batch')).code, 0);
  const open = async (...args: string[]) => {
    const cloud = start(dir, 'cloud', '--data', 'data', '--json', ...args);
    t.teardown(() => cloud.kill('SIGKILL'));
    const whole = ending(cloud);
    const ready = JSON.parse(await firstLine(cloud)) as Ready;
    return { cloud, whole, ready, ca: readFileSync(ready.ca, 'utf8'), key: ready.dps.serviceConnectionString.split('AccessKey=')[1] };
  };
  const first = await open('--enrollments', 'batch', '--workers', '2');
  const image = join('batch', 'images', 'probe-000001.bin');
  const booted = await run(dir, 'boot', image, '--once', '--json', '--quiet', '--client', 'wire');
  t.match(lastLine(booted), { state: 'running', registrations: 1 });
  first.cloud.kill('SIGKILL');
  await first.whole;

  const second = await open();
  t.equal(second.ca, first.ca);
  t.equal(second.key, first.key);
  t.strictSame(second.ready.hubs, first.ready.hubs);
  const again = await runHere(dir, 'boot', image, '--once', '--json', '--quiet', '--client', 'wire');
  t.match(lastLine(again), { state: 'running', boots: 2, registrations: 1 }, 'it signs in to the hub that it remembers');
  second.cloud.kill('SIGTERM');
  t.equal((await second.whole).code, 0);
});
