import { once } from 'node:events';
import { join } from 'node:path';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import t from 'tap';
import { firstLine, lastLine, run, start } from '../scripts/support/command.js';

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

t.test(`kill -9 at any time, ${DEVICES * KILLS} times: the same hub, and no new registration`, async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  t.equal((await run(dir, 'burn', 'batch.yaml', '--out', 'batch')).code, 0);
  const cloud = start(dir, 'cloud', '--enrollments', 'batch', '--json', '--quiet');
  t.teardown(() => cloud.kill('SIGKILL'));
  await firstLine(cloud);
  let said = 0;
  const live = async (id: string): Promise<void> => {
    const boot = ['boot', join('batch', 'images', `${id}.bin`), '--client', 'wire', '--json'];
    const first = lastLine(await run(dir, ...boot, '--once'));
    t.match(first, { state: 'running', registrations: 1 });
    const entropy = seededEntropy(id);
    for (let kill = 1; kill <= KILLS; kill++) {
      const device = start(dir, ...boot);
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
      const back = lastLine(await run(dir, ...boot, '--once'));
      t.match(back, { state: 'running', hub: first.hub, registrations: 1, config: { interval: 7 } }, `${id} after ${kill} kills`);
    }
  };
  await Promise.all(Array.from({ length: DEVICES }, (_, index) => live(`k-00000${index + 1}`)));
  t.comment(`${said} states were entered by devices that were then killed`);
});
