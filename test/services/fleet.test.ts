import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { dpsErrors } from '@zerotouch/azure-wire/errors';
import { type Behaviour, type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import { type FleetControls, parseFleetSpec, runFleet } from '@zerotouch/fleet-sim/fleet';
import { readReport, writeComparison, writeReport } from '@zerotouch/fleet-sim/report/files';
import { fleetReport } from '@zerotouch/fleet-sim/report/report';
import { tracePlaceOf } from '@zerotouch/fleet-sim/trace/trace-place';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t from 'tap';
import { collectorFor, treesOf } from '../fleet-sim/trace/collector.js';

const folder = t.testdir();
const batch = join(folder, 'batch');
const group = (id: string, attestation: string, start: number): string =>
  `  - { enrolmentGroup: ${id}, attestation: ${attestation}, registrationId: "pump-{serial}", serial: { start: ${start}, count: 8 } }\n`;

t.before(async () => {
  const spec = parseSpec(`version: 1\nbatch: fleet\ngroups:\n${group('x', 'x509', 1)}${group('k', 'symmetric-key', 9)}`, 'batch.yaml');
  await burnBatch(spec, { out: batch, clock: systemClock, entropy: systemEntropy });
});

async function cloudFor(): Promise<Cloud> {
  const cloud = await startCloud({ retryAfterSeconds: 0 });
  await cloud.import(JSON.parse(readFileSync(join(batch, 'enrolments.json'), 'utf8')) as EnrolmentFile);
  return cloud;
}

const endpointOf = ({ dps: { mqttPort: port }, ca }: Cloud) => ({
  dpsHost: 'localhost',
  dpsPort: port,
  gateway: { host: 'localhost', port },
  ca,
});

const fleet = (text: string) => parseFleetSpec(`version: 1\n${text}`, join(folder, 'fleet.yaml'));

t.test('every device of a fleet runs at its hub with its own identity, through any client, and says what it cost', async (t) => {
  await using cloud = await cloudFor();
  const connected = new Set<string>();
  cloud.events.on('connected', ({ deviceId }) => connected.add(deviceId));
  const spec = fleet(
    'images: batch\nclients: [{ client: lean, share: 6 }, { client: wire, share: 1 }, { client: sdk, share: 1 }]\nafterwards: { stayForSeconds: 1, telemetryEverySeconds: 0.2 }',
  );
  const result = await runFleet(spec, { endpoint: endpointOf(cloud), workers: 2 });
  t.match(result, { devices: 16, running: 16, failed: 0, retries: 0, throttled: 0, processes: 2, aborted: false });
  t.equal(connected.size, 16);
  t.equal(
    Object.values(result.hubs).reduce((sum, count) => sum + count, 0),
    16,
  );
  t.ok((result.bootMs.p99 ?? 0) > 0 && (result.cpuMsPerBoot ?? 0) > 0);
  t.ok(result.tally.telemetry > 0);

  const page = join(folder, 'run.html');
  await writeReport(page, fleetReport(spec, result, 0));
  const report = await readReport(page);
  t.equal(report.seconds.at(-1)?.online, 16);
  t.equal(
    Object.values(report.bootMs).reduce((sum, { count }) => sum + count, 0),
    16,
  );
  t.match(readFileSync(page, 'utf8'), /Devices online/);
  await writeComparison(join(folder, 'both.html'), [report, report]);
  t.match(readFileSync(join(folder, 'both.html'), 'utf8'), /Fleets compared/);
});

t.test('one device in so many tells its boot as a trace, whichever process it is in', async (t) => {
  await using cloud = await cloudFor();
  const collector = await collectorFor(t);
  const trace = { to: tracePlaceOf(collector.url), oneIn: 3, onUntold: (detail: string) => t.fail(detail) };
  await runFleet(fleet('images: batch'), { endpoint: endpointOf(cloud), workers: 2, trace });
  const boots = treesOf(collector.requests);
  t.equal(boots.length, 6);
  t.equal(new Set(boots.map(({ attributes }) => attributes['zerotouch.registration_id'])).size, 6);
  t.match(boots[0], { name: 'boot', error: undefined, attributes: { 'zerotouch.client': 'lean', 'zerotouch.state': 'running' } });

  const said: string[] = [];
  const untold = { to: { url: 'http://127.0.0.1:1/v1/traces' }, oneIn: 1, onUntold: (detail: string) => said.push(detail) };
  t.match(await runFleet(fleet('images: batch'), { endpoint: endpointOf(cloud), workers: 2, trace: untold }), { running: 16, failed: 0 });
  t.match(said, [/ECONNREFUSED/], 'a collector that is not there costs a line');
});

/** DPS errs at each device's first call, and its hub drops its first connection. */
function failsFirst(): Behaviour {
  const met = new Set<string>();
  const isFirst = (who: string): boolean => !met.has(who) && met.add(who).has(who);
  return {
    name: 'failsFirst',
    dps: (call, next, { refuse }) => (isFirst(`DPS ${call.registrationId}`) ? refuse(dpsErrors.internal, 'the first call') : next()),
    hub: async ({ deviceId }, next, { drop }) => (isFirst(`hub ${deviceId}`) ? drop('the first connection') : next()),
  };
}

t.test('a cloud that errs and drops is survived by retries', async (t) => {
  await using cloud = await cloudFor();
  cloud.use(failsFirst());
  const result = await runFleet(fleet('images: batch\npowerOn: { profile: at-once }'), { endpoint: endpointOf(cloud), workers: 1 });
  t.match(result, { running: 16, failed: 0, retries: 32 });
  t.not(Object.keys(result.tally.reasons).length, 0);
});

t.test('what makes a fleet impossible is said before a device is powered on', async (t) => {
  const endpoint = { dpsHost: 'localhost', dpsPort: 1 };
  await t.rejects(runFleet(fleet('images: nowhere'), { endpoint }), { code: 'IMAGES_MISSING' });
  await t.rejects(runFleet(fleet('images: batch\ndevices: 17'), { endpoint }), { code: 'IMAGES_MISSING', message: /16.*17/ });
  const [first = ''] = readdirSync(join(batch, 'images')).filter((name) => name.endsWith('.bin'));
  mkdirSync(join(folder, 'twins'));
  for (const name of ['a.bin', 'b.bin']) copyFileSync(join(batch, 'images', first), join(folder, 'twins', name));
  await t.rejects(runFleet(fleet('images: twins'), { endpoint, workers: 2 }), { code: 'IMAGE_TWICE', message: /pump-0*1/ });
  writeFileSync(join(folder, 'twins', 'c.bin'), 'no image');
  await t.rejects(runFleet(fleet('images: twins'), { endpoint, workers: 1 }), { code: 'IMAGE_UNUSABLE', message: /c\.bin/ });
});

t.test('a fleet that is ended early leaves nothing connected', async (t) => {
  await using cloud = await cloudFor();
  const ended = new AbortController();
  let online = 0;
  cloud.events.on('connected', () => {
    online += 1;
    if (online === 16) ended.abort();
  });
  cloud.events.on('disconnected', () => {
    online -= 1;
  });
  const spec = fleet('images: batch\nafterwards: { stayForSeconds: 600 }');
  const result = await runFleet(spec, { endpoint: endpointOf(cloud), workers: 1, signal: ended.signal });
  t.equal(result.aborted, true);
  while (online > 0) await once(cloud.events, 'disconnected');
});

t.test('what lost its power comes back no faster than a real endpoint allows, and not while the fleet is paused', async (t) => {
  await using cloud = await cloudFor();
  const connected = new Set<string>();
  cloud.events.on('connected', ({ deviceId }) => connected.add(deviceId));
  const ended = new AbortController();
  let controls: FleetControls | undefined;
  let stage: 'boots' | 'cut' | 'resumed' = 'boots';
  let looks = 0;
  let most = 0;
  const result = await runFleet(fleet('images: batch\nafterwards: { stayForSeconds: 600 }'), {
    endpoint: endpointOf(cloud),
    workers: 1,
    // The second of them would come after half an hour.
    backPerSecond: 1 / 1800,
    signal: ended.signal,
    onControls: (given) => {
      controls = given;
    },
    onTally: ({ online }) => {
      if (stage === 'boots' && online === 16) {
        stage = 'cut';
        connected.clear();
        controls?.pause();
        controls?.cutPower(1, 0.1);
      } else if (stage === 'cut' && online === 0) {
        looks += 1;
        if (looks < 4) return;
        stage = 'resumed';
        t.equal(connected.size, 0, 'none while it is paused');
        controls?.resume();
      } else if (stage === 'resumed' && online > 0) {
        looks += 1;
        most = Math.max(most, online);
        if (looks === 8) ended.abort();
      }
    },
  });
  t.equal(result.aborted, true);
  t.equal(most, 1);
  t.equal(connected.size, 1);
});

t.test('a paced fleet that is paused powers no more devices on, and goes on when it is resumed', async (t) => {
  await using cloud = await cloudFor();
  let controls: FleetControls | undefined;
  let asked = false;
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  // The first device is held at its hub's door until the fleet has had time to hear that it is paused.
  cloud.use({
    name: 'a door that opens late',
    hub: async (_, next) => {
      if (!asked) controls?.pause();
      asked = true;
      await opened;
      return next();
    },
  });
  let ticks = 0;
  const online: number[] = [];
  const result = await runFleet(fleet('images: batch\npowerOn: { profile: paced, booting: 1 }'), {
    endpoint: endpointOf(cloud),
    workers: 1,
    onControls: (given) => {
      controls = given;
    },
    onTally: (tally) => {
      if (!asked) return;
      ticks += 1;
      if (ticks === 2) open();
      if (tally.online === 0 || tally.on !== tally.online) return;
      online.push(tally.online);
      if (online.length === 4) controls?.resume();
    },
  });
  const [, first = 16, ...later] = online;
  t.ok(first < 16, 'it stood still before all were on');
  t.strictSame(later.slice(0, 2), [first, first], 'none was powered on meanwhile');
  t.match(result, { running: 16, failed: 0 });
});
