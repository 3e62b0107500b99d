import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import { type FleetOptions, parseFleetSpec, runFleet } from '@zerotouch/fleet-sim/fleet';
import { runQueuedFleet } from '@zerotouch/fleet-sim/queue/queued-fleet';
import { systemClock } from '@zerotouch/foundation/clock';
import { audit } from '@zerotouch/manufacturing/audit/audit';
import t, { type Test } from 'tap';
import { ending, firstLine, lastLine, run, start } from '../scripts/support/command.js';

const BATCH = `version: 1
batch: fleet
groups:
  - { enrolmentGroup: x, attestation: x509, registrationId: "pump-{serial}", serial: { count: 12 } }
  - { enrolmentGroup: k, attestation: symmetric-key, registrationId: "key-{serial}", serial: { start: 101, count: 6 } }
  - { enrolment: individual, attestation: symmetric-key, registrationId: "own-{serial}", serial: { start: 201, count: 3 } }
  - { enrolment: individual, attestation: x509, registrationId: "cert-{serial}", serial: { start: 301, count: 3 } }
`;
const DEVICES = 24;
const folder = t.testdir({ 'batch.yaml': BATCH });

const fleetIn = (out: string, more = '') =>
  parseFleetSpec(`version: 1\nburn: { spec: batch.yaml, out: ${out} }\n${more}`, join(folder, 'fleet.yaml'));
const optionsFor = (cloud: Cloud, more: Partial<FleetOptions> = {}): FleetOptions => {
  const port = cloud.dps.mqttPort;
  const endpoint = { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port }, ca: cloud.ca };
  return { endpoint, workers: 1, burn: { enrol: async (file) => cloud.import(file) }, ...more };
};
const imagesIn = (out: string): string[] => readdirSync(join(folder, out, 'images')).filter((name) => name.endsWith('.bin'));

t.test('no image is burnt before its device is due, and DPS knows each device before it asks', async (t) => {
  await using cloud = await startCloud({ retryAfterSeconds: 0 });
  let connected = 0;
  let refused = 0;
  cloud.events.on('connected', () => {
    connected += 1;
  });
  cloud.events.on('refused', () => {
    refused += 1;
  });
  let burnt = 0;
  const ahead: number[] = [];
  const options = optionsFor(cloud);
  const onEvent = ({ kind }: { kind: string }): void => {
    if (kind !== 'burnt') return;
    burnt += 1;
    ahead.push(burnt - connected);
  };
  const spec = fleetIn('paced', 'powerOn: { profile: paced, booting: 4 }');
  const result = await runFleet(spec, { ...options, burn: { ...options.burn, onEvent } });
  t.match(result, { devices: DEVICES, running: DEVICES, failed: 0, retries: 0, burn: { burnt: DEVICES, kept: 0, failed: 0 } });
  t.ok(Math.max(...ahead) <= 4, `never more than the four that boot: ${ahead.join(' ')}`);
  t.equal(refused, 0);
  await isSound(t, 'paced');
});

t.test('a fleet that is ended leaves a whole batch of what it burnt, and the next one goes on with it', async (t) => {
  await using cloud = await startCloud({ retryAfterSeconds: 0 });
  const stop = new AbortController();
  cloud.events.once('connected', () => stop.abort());
  const ended = await runFleet(fleetIn('resumed', 'powerOn: { profile: paced, booting: 2 }'), optionsFor(cloud, { signal: stop.signal }));
  const first = imagesIn('resumed');
  t.match(ended, { aborted: true, burn: { burnt: first.length, kept: 0 } });
  t.ok(first.length > 0 && first.length < DEVICES, `${first.length} burnt`);
  await isSound(t, 'resumed');
  const made = first.map((name) => statSync(join(folder, 'resumed', 'images', name)).ino);
  const again = await runFleet(fleetIn('resumed', 'powerOn: { profile: at-once }'), optionsFor(cloud, { workers: 2 }));
  t.match(again, { running: DEVICES, failed: 0, burn: { burnt: DEVICES - first.length, kept: first.length } });
  t.strictSame(
    first.map((name) => statSync(join(folder, 'resumed', 'images', name)).ino),
    made,
    'what was burnt is not burnt again',
  );
  const some = await runFleet(fleetIn('resumed', 'devices: 5\nwriteBack: true'), optionsFor(cloud));
  t.match(some, { devices: 5, running: 5, burn: { burnt: 0, kept: DEVICES } });
});

t.test('a DPS that takes no enrolments ends the fleet with its reason, and nothing stays under way', async (t) => {
  await using cloud = await startCloud({ retryAfterSeconds: 0 });
  const gone = Object.assign(new Error('DPS is gone'), { code: 'DPS_UNREACHABLE' });
  const spec = fleetIn('refused', 'powerOn: { profile: at-once }');
  await t.rejects(runFleet(spec, optionsFor(cloud, { burn: { enrol: () => Promise.reject(gone) } })), gone);
  t.strictSame(imagesIn('refused'), [], 'nothing is burnt for nobody');
  const once = async (file: { enrollments: unknown[] }): Promise<void> => {
    if (file.enrollments.length > 0) throw gone;
  };
  await t.rejects(runFleet(spec, optionsFor(cloud, { burn: { enrol: once }, workers: 2 })), gone, 'nor later');
  await isSound(t, 'refused');
  t.match(await runFleet(spec, optionsFor(cloud)), { running: DEVICES, failed: 0 });
});

t.test('a queue carries no CA keys: burning over it is refused', async (t) => {
  const endpoint = { dpsHost: 'localhost', dpsPort: 1 };
  await t.rejects(runQueuedFleet(fleetIn('queue'), { url: 'redis://127.0.0.1:1', version: '0.1.0', endpoint }), { code: 'BURN_HERE' });
});

t.test('at the command: the local cloud is told of CAs, groups and devices as they come', async (t) => {
  const dir = t.testdir({ 'batch.yaml': BATCH, 'fleet.yaml': 'version: 1\nburn: { spec: batch.yaml, out: batch }\n' });
  const cloud = start(dir, 'cloud', '--json', '--quiet');
  t.teardown(() => cloud.kill('SIGKILL'));
  await firstLine(cloud);
  for (const burn of [
    { burnt: DEVICES, kept: 0 },
    { burnt: 0, kept: DEVICES },
  ]) {
    const ended = await run(dir, 'fleet', 'fleet.yaml', '--json', '--quiet');
    t.equal(ended.code, 0, ended.stderr);
    t.match(lastLine(ended), { devices: DEVICES, running: DEVICES, failed: 0, burn });
  }
  writeFileSync(join(dir, 'batch.yaml'), BATCH.replace('count: 12', 'count: 13'));
  const other = await run(dir, 'fleet', 'fleet.yaml', '--json', '--quiet');
  t.equal(other.code, 2, other.stderr);
  t.equal(other.stderr.trim().split('\n').length, 1, 'one line');
  const child = start(dir, 'fleet', 'fleet.yaml', '--help');
  t.match((await ending(child)).stdout, /burn: \{ spec: batch\.yaml, out: batch \}/);
  cloud.kill('SIGTERM');
  await once(cloud, 'exit');
  t.match(readFileSync(join(dir, 'batch', 'enrolments.json'), 'utf8'), /own-000203.*cert-000301/s);
});

/** A batch like any other, as far as it is burnt. */
async function isSound(t: Test, out: string): Promise<void> {
  const found: string[] = [];
  await audit({ paths: [join(folder, out)], clock: systemClock, onFinding: ({ code, where }) => found.push(`${code} ${where}`) });
  t.strictSame(found, []);
}
