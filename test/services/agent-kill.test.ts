import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import t from 'tap';
import { ending, firstLine, lastLine, run, start } from '../scripts/support/command.js';
import { startAgent } from './agent-bench.js';

const DEVICES = 4;
/** Of each device; 200 in all. */
const KILLS = 50;
/** Longer than a device takes from its start to running, milliseconds. */
const LONGEST_LIFE_MS = 900;

const spec = `version: 1
batch: killed
groups:
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'k-{serial}', serial: { count: 4 }, initialTwin: { desired: { interval: 7 } } }
`;

t.test(`kill -9 of the agent at any time, ${DEVICES * KILLS} times: the same hub, and no new registration`, async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  t.equal((await run(dir, 'burn', 'batch.yaml', '--out', 'batch')).code, 0);
  const cloud = start(dir, 'cloud', '--enrollments', 'batch', '--json', '--quiet');
  t.teardown(() => cloud.kill('SIGKILL'));
  await firstLine(cloud);
  // Not in the folder of the test: the address of a Unix socket holds 107 bytes.
  const sockets = mkdtempSync(join(tmpdir(), 'zt-kill-'));
  t.teardown(() => rmSync(sockets, { recursive: true }));
  let said = 0;
  const live = async (id: string): Promise<void> => {
    const image = join(dir, 'batch', 'images', `${id}.bin`);
    const cloudFile = join(dir, '.zerotouch', 'cloud.json');
    const boot = async () => lastLine(await ending(startAgent(t, [image, '--client', 'wire', '--cloud', cloudFile, '--json', '--once'])));
    const settings = join(dir, `${id}.yaml`);
    writeFileSync(settings, `version: 1\nimage: ${image}\nclient: wire\ncloud: ${cloudFile}\nhealthSocket: ${join(sockets, id)}\n`);
    const first = await boot();
    t.match(first, { state: 'running', registrations: 1 });
    const entropy = seededEntropy(id);
    for (let kill = 1; kill <= KILLS; kill++) {
      const device = startAgent(t, ['agent', '--config', settings, '--json'], { STATE_DIRECTORY: join(dir, id) });
      device.stdout?.on('data', (chunk) => {
        said += String(chunk).split('\n').length - 1;
      });
      // From the moment it says that it is at its flash: before, there is nothing to be hurt.
      await once(device.stdout as NodeJS.ReadableStream, 'data');
      await new Promise((resolve) => setTimeout(resolve, entropy.unit() ** 3 * LONGEST_LIFE_MS));
      device.kill('SIGKILL');
      await once(device, 'close');
      // Its lock is left behind, and its count of boots that did not end well grows: a boot that does makes good for both.
      if (kill % 4 !== 0 && kill !== KILLS) continue;
      const back = await boot();
      t.match(back, { state: 'running', hub: first.hub, registrations: 1, config: { interval: 7 } }, `${id} after ${kill} kills`);
    }
  };
  await Promise.all(Array.from({ length: DEVICES }, (_, index) => live(`k-00000${index + 1}`)));
  t.comment(`${said} states were entered by devices that were then killed`);
});
