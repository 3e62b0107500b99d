import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { dropping, startCloud } from '@zerotouch/cloud-sim/cloud';
import { parseFleetSpec, runFleet } from '@zerotouch/fleet-sim/fleet';
import { readReport, writeReport } from '@zerotouch/fleet-sim/report/files';
import { fleetReport } from '@zerotouch/fleet-sim/report/report';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t from 'tap';

/** Two and a half times what the throttled DPS lets in in a minute. */
const DEVICES = 250;
/** So few retries a minute are no rate: the last device or two, waiting out their own dice, may try in one minute and not in the one before. */
const STRAGGLERS = 3;

t.test('a fleet outlives a cloud that drops a fifth of the connections and throttles to a tenth, and calms down by itself', async (t) => {
  const folder = t.testdir();
  const batch = join(folder, 'batch');
  const group = `{ enrolmentGroup: x, attestation: x509, registrationId: "pump-{serial}", serial: { count: ${DEVICES} } }`;
  const burnt = parseSpec(`version: 1\nbatch: storm\ngroups:\n  - ${group}\n`, 'batch.yaml');
  await burnBatch(burnt, { out: batch, clock: systemClock, entropy: systemEntropy });
  await using cloud = await startCloud({
    behaviours: [dropping({ share: 0.2 })],
    limits: { registrationsPerMinute: 100, hubRateFactor: 0.1 },
  });
  await cloud.import(JSON.parse(readFileSync(join(batch, 'enrolments.json'), 'utf8')) as EnrolmentFile);

  const spec = parseFleetSpec('version: 1\nname: storm\nimages: batch\npowerOn: { profile: at-once }', join(folder, 'fleet.yaml'));
  const port = cloud.dps.mqttPort;
  const endpoint = { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port }, ca: cloud.ca };
  const result = await runFleet(spec, { endpoint, workers: 2 });
  t.match(result, { devices: DEVICES, running: DEVICES, failed: 0, aborted: false });
  t.ok(result.throttled > 0, 'DPS had to say 429');

  const page = join(folder, 'storm.html');
  await writeReport(page, fleetReport(spec, result, 0));
  t.match(readFileSync(page, 'utf8'), /Retries, throttled and failures a second/, 'plotted in the report');
  const { seconds } = await readReport(page);
  const within = (from: number, to: number): number => seconds.slice(from, to).reduce((sum, { retries }) => sum + retries, 0);
  const minutes = Array.from({ length: Math.ceil(seconds.length / 60) }, (_, minute) => within(minute * 60, (minute + 1) * 60));
  t.comment(`retries a minute: ${minutes.join(', ')}`);
  for (const [minute, retries] of minutes.entries())
    t.ok(
      minute === 0 || retries <= Math.max(minutes[minute - 1] ?? 0, STRAGGLERS),
      `minute ${minute + 1}: ${retries} retries, no more than in the one before`,
    );
  const peak = (from: number, to: number): number =>
    Math.max(0, ...Array.from({ length: Math.max(0, to - from - 9) }, (_, at) => within(from + at, from + at + 10)));
  t.ok(peak(60, seconds.length) <= peak(0, 60), 'nor does any ten seconds see more of them than the first minute did');
});
