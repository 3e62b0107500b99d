import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import { type FleetControls, parseFleetSpec } from '@zerotouch/fleet-sim/fleet';
import { type FleetWorkerOptions, type WorkerEvent, workFleet } from '@zerotouch/fleet-sim/queue/fleet-worker';
import { openQueuePlace } from '@zerotouch/fleet-sim/queue/queue-place';
import { type QueuedFleetOptions, runQueuedFleet } from '@zerotouch/fleet-sim/queue/queued-fleet';
import { RUNS_QUEUE } from '@zerotouch/fleet-sim/queue/run-record';
import { whoSuffers } from '@zerotouch/fleet-sim/who-suffers';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t, { type Test } from 'tap';
import { start } from '../scripts/support/command.js';

const DEVICES = 24;
const folder = t.testdir();
const batch = join(folder, 'batch');
let cloud: Cloud;
/** Connections of each device that are open. */
const connected = new Map<string, number>();

t.before(async () => {
  const spec = parseSpec(
    `version: 1\nbatch: fleet\ngroups:\n  - { enrolmentGroup: x, attestation: x509, registrationId: "pump-{serial}", serial: { start: 1, count: ${DEVICES} } }`,
    'batch.yaml',
  );
  await burnBatch(spec, { out: batch, clock: systemClock, entropy: systemEntropy });
  cloud = await startCloud({ retryAfterSeconds: 0 });
  await cloud.import(JSON.parse(readFileSync(join(batch, 'enrolments.json'), 'utf8')) as EnrolmentFile);
  const count = (deviceId: string, change: number): void => {
    connected.set(deviceId, (connected.get(deviceId) ?? 0) + change);
  };
  cloud.events.on('connected', ({ deviceId }) => count(deviceId, 1));
  cloud.events.on('disconnected', ({ deviceId }) => count(deviceId, -1));
});

const online = (): number => [...connected.values()].filter((connections) => connections === 1).length;

const stores = Object.entries({ Redis: process.env.ZT_TEST_REDIS, PostgreSQL: process.env.ZT_TEST_POSTGRES });

for (const [store, url = ''] of stores) {
  const specOf = (staySeconds: number, more = '') =>
    parseFleetSpec(
      `version: 1\nimages: batch\nafterwards: { stayForSeconds: ${staySeconds} }\ngiveUpAfterSeconds: 300\n${more}`,
      join(folder, 'fleet.yaml'),
    );
  const submit = (options: Partial<QueuedFleetOptions> = {}, staySeconds = 1, spec = specOf(staySeconds)) => {
    const { dps, ca } = cloud;
    const port = dps.mqttPort;
    const endpoint = { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port }, ca };
    return runQueuedFleet(spec, { url, version: '0.1.0', endpoint, shards: 6, ...options });
  };

  const worker = (name: string, options: Partial<FleetWorkerOptions> = {}) => {
    const end = new AbortController();
    const events: WorkerEvent[] = [];
    const { promise: hasTaken, resolve: taken } = withResolvers();
    const ended = workFleet({
      url,
      name,
      version: '0.1.0',
      atOnce: 2,
      signal: end.signal,
      onEvent: (event) => {
        events.push(event);
        if (event.event === 'taken') taken();
      },
      ...options,
    });
    ended.catch(() => undefined);
    return { end: () => end.abort(), ended, events, hasTaken };
  };

  t.test(`${store}: a worker is killed; every device runs, and counts once`, async (t) => {
    const lost = commandWorker(url, 'first');
    await lost.hears('ready');
    let most = 0;
    const fleet = submit({
      onTally: (tally) => {
        most = Math.max(most, tally.booted);
      },
    });
    await lost.hears('taken');
    lost.child.kill('SIGKILL');
    const other = commandWorker(url, 'second');
    const result = await fleet;
    t.match(result, { devices: DEVICES, running: DEVICES, failed: 0, aborted: false, tally: { online: DEVICES } });
    t.equal(
      Object.values(result.hubs).reduce((sum, count) => sum + count, 0),
      DEVICES,
    );
    t.equal(most, DEVICES, 'never more than there are');
    other.child.kill('SIGTERM');
    const [code] = await other.exited;
    t.equal(code, 0);
    t.ok(
      other.events.some((event) => event.event === 'taken' && event.attempt > 1),
      'what was lost is taken up again',
    );
    await nothingLeft(t, url);
  });

  t.test(`${store}: a worker that ends leaves its shards to another, and the fleet is steered through the queue`, async (t) => {
    const leaving = worker('leaving');
    let controls: FleetControls | undefined;
    const stop = new AbortController();
    let cut = false;
    let back = false;
    const fleet = submit(
      {
        signal: stop.signal,
        onControls: (given) => {
          controls = given;
        },
        onTally: ({ online: count, booted }) => {
          if (booted < DEVICES) return;
          if (!cut && count === DEVICES) {
            cut = true;
            // None comes back before this was seen.
            controls?.pause();
            controls?.cutPower(1, 1);
          } else if (cut && !back && count === 0) {
            back = true;
            controls?.resume();
          } else if (back && count === DEVICES) stop.abort();
        },
      },
      300,
    );
    await leaving.hasTaken;
    leaving.end();
    await leaving.ended;
    t.equal(leaving.events.at(-1)?.event, 'given-back');
    const staying = worker('staying');
    const result = await fleet;
    t.ok(back, 'all lost power at once and came back');
    t.match(result, { running: DEVICES, aborted: true, tally: { online: DEVICES } });
    while (online() > 0) await once(cloud.events, 'disconnected');
    staying.end();
    t.equal(await staying.ended, 6);
    await nothingLeft(t, url);
  });

  t.test(`${store}: a worker that does not fit refuses by name, and leaves the fleet to one that does`, async (t) => {
    const other = join(folder, `other-${store}`);
    mkdirSync(other);
    const images = readdirSync(join(batch, 'images')).filter((name) => name.endsWith('.bin'));
    // The same names, the devices swapped.
    for (const [index, name] of images.entries()) {
      const swapped = images[(index + 1) % images.length] ?? '';
      copyFileSync(join(batch, 'images', swapped), join(other, name));
    }
    const notes: string[] = [];
    const misled = worker('misled', { images: other });
    const fleet = submit({ onNote: (note) => notes.push(note) }, 0);
    await t.rejects(misled.ended, { code: 'IMAGES_DIFFER', message: new RegExp(other) });
    const old = worker('old', { version: '0.0.9' });
    await t.rejects(old.ended, { code: 'WORKER_VERSION', message: /worker old .*seen "0\.0\.9 here"; expected 0\.1\.0/ });
    const fit = worker('fit', { once: true });
    t.match(await fleet, { running: DEVICES, failed: 0 });
    t.match(notes.join('\n'), /worker old/);
    t.match(notes.join('\n'), /misled gives shard \d back: .*not the images/);
    await fit.ended;
  });

  t.test(`${store}: a bad day falls on the same devices, whichever worker runs them`, async (t) => {
    const spec = specOf(0, 'scenarios: [{ scenario: sent-elsewhere, share: 0.25 }]');
    const images = readdirSync(join(batch, 'images')).filter((name) => name.endsWith('.bin'));
    const chosen = whoSuffers(
      spec.scenarios,
      images.map((image) => ({ image })),
      spec.seed,
    );
    const counts = new Map<string, number>();
    const count = ({ registrationId: id }: { registrationId: string }): void => {
      counts.set(id, (counts.get(id) ?? 0) + 1);
    };
    cloud.events.on('registered', count);
    const workers = [worker('one'), worker('two')];
    const result = await submit({}, 0, spec);
    cloud.events.off('registered', count);
    t.match(result, { running: DEVICES, failed: 0, scenarios: { 'sent-elsewhere': { devices: 6, running: 6, dpsCalls: 12 } } });
    t.strictSame(
      images.filter((image) => counts.get(image.replace('.bin', '')) === 2),
      images.filter((_, index) => chosen[index] === 0),
    );
    for (const { end, ended } of workers) {
      end();
      await ended;
    }
    await nothingLeft(t, url);
  });

  t.test(`${store}: what makes a fleet impossible is said before anything is in the queue`, async (t) => {
    const spec = parseFleetSpec('version: 1\nimages: nowhere', join(folder, 'fleet.yaml'));
    const endpoint = { dpsHost: 'localhost', dpsPort: 1 };
    await t.rejects(runQueuedFleet(spec, { url, version: '0.1.0', endpoint }), { code: 'IMAGES_MISSING' });
    const unfit = specOf(0, "scenarios: [{ scenario: dps-fails, devices: ['valve-*'] }]");
    await t.rejects(runQueuedFleet(unfit, { url, version: '0.1.0', endpoint }), { code: 'SCENARIO_UNFIT' });
    await nothingLeft(t, url);
  });
}

t.test('at the end no device is connected any more', async (t) => {
  while (online() > 0) await once(cloud.events, 'disconnected');
  await cloud.close();
  t.equal(cloud.hubs.length > 0 && connected.size, DEVICES, 'every device has been');
});

function commandWorker(url: string, name: string) {
  process.env.QUEUE = url;
  const child: ChildProcess = start(
    folder,
    'fleet-worker',
    '--queue',
    'env:QUEUE',
    '--name',
    name,
    '--lease',
    '5',
    '--at-once',
    '1',
    '--json',
  );
  const exited = once(child, 'close') as Promise<[number | null]>;
  const lines = createInterface(child.stdout as NodeJS.ReadableStream);
  const heard = new Map<string, ReturnType<typeof withResolvers>>();
  const of = (event: string) => {
    const known = heard.get(event) ?? withResolvers();
    heard.set(event, known);
    return known;
  };
  const events: WorkerEvent[] = [];
  lines.on('line', (line) => {
    const event = JSON.parse(line) as WorkerEvent;
    events.push(event);
    of(event.event).resolve();
  });
  const early = exited.then(([code]) => {
    throw new Error(`the worker ended with ${code}`);
  });
  early.catch(() => undefined);
  return { child, exited, events, hears: (event: string) => Promise.race([of(event).promise, early]) };
}

async function nothingLeft(t: Test, url: string): Promise<void> {
  const place = await openQueuePlace(url);
  try {
    t.strictSame(await place.queue(RUNS_QUEUE).getJobs(), []);
  } finally {
    await place.close();
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
