import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import { type FleetOptions, parseFleetSpec, runFleet } from '@zerotouch/fleet-sim/fleet';
import { readReport, writeReport } from '@zerotouch/fleet-sim/report/files';
import { fleetReport } from '@zerotouch/fleet-sim/report/report';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t from 'tap';

const folder = t.testdir();
const batch = join(folder, 'batch');
let cloud: Cloud;

t.before(async () => {
  const group = '{ enrolmentGroup: x, attestation: x509, registrationId: "pump-{serial}", serial: { count: 48 } }';
  const spec = parseSpec(`version: 1\nbatch: fleet\ngroups:\n  - ${group}\n`, 'batch.yaml');
  await burnBatch(spec, { out: batch, clock: systemClock, entropy: systemEntropy });
  cloud = await startCloud({ retryAfterSeconds: 0 });
  await cloud.import(JSON.parse(readFileSync(join(batch, 'enrolments.json'), 'utf8')) as EnrolmentFile);
});
t.teardown(() => cloud.close());

const powerOn = (text: string, options: Partial<FleetOptions> = {}) => {
  const port = cloud.dps.mqttPort;
  const endpoint = { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port }, ca: cloud.ca };
  const spec = parseFleetSpec(`version: 1\nimages: batch\n${text}`, join(folder, 'fleet.yaml'));
  return { spec, ended: runFleet(spec, { endpoint, ...options }) };
};

// Those that take no longer than a device and its cloud make them: the others are minutes of waiting, the same code, and lived through in virtual time.
const QUICK = {
  'power-cut-first-boot': 1,
  'power-cut-assignment': 2,
  'power-cut-config': 1,
  'power-cut-in-recovery': 2,
  'bad-sector': 1,
  'hub-deleted': 2,
  'link-drops': 1,
  'link-drops-after-register': 1,
  'clock-1970': 1,
  'clock-jumps': 1,
  'bad-config': 1,
  'crash-loop': 1,
  'sent-elsewhere': 2,
  'factory-reset': 2,
};

t.test('each bad day ends as its scenario says, over the real sockets of a fleet, and is told apart', async (t) => {
  const entries = Object.keys(QUICK).map((scenario) => `  - { scenario: ${scenario}, share: ${2 / 48} }\n`);
  const { spec, ended } = powerOn(`powerOn: { profile: paced, booting: 6 }\nscenarios:\n${entries.join('')}`, { workers: 2 });
  const result = await ended;
  t.match(result, { devices: 48, running: 46, failed: 0, aborted: false });
  for (const [name, calls] of Object.entries(QUICK)) {
    const ends = name === 'crash-loop' ? { running: 0, elsewhere: 2 } : { running: 2, elsewhere: 0 };
    t.match(result.scenarios[name], { devices: 2, ...ends, failed: 0, dpsCalls: 2 * calls, dpsCallsOff: 0, reasons: {} }, name);
  }
  const page = join(folder, 'days.html');
  await writeReport(page, fleetReport(spec, result, 0));
  const report = await readReport(page);
  t.match(report.scenarios['crash-loop'], { devices: 2, elsewhere: 2, where: 'safe', summary: /safe mode/ });
  t.ok(Object.keys(report.bootMs).includes('x509 lean, link-drops'), 'their boot times are apart');
  t.equal(report.bootMs['x509 lean']?.count, 48 - 28);
  t.match(
    report.reasons.find(({ reason }) => reason === 'dropped when connecting to the hub (scenario link-drops-after-register)'),
    { count: 4, remedy: /scenario/ },
  );
  t.match(readFileSync(page, 'utf8'), /by scenario.*crash-loop.*safe mode/s);
});

t.test('the same devices have the bad day in every run, however many processes there are', async (t) => {
  const again = async (workers: number): Promise<string[]> => {
    const counts = new Map<string, number>();
    const note = ({ registrationId: id }: { registrationId: string }): void => {
      counts.set(id, (counts.get(id) ?? 0) + 1);
    };
    cloud.events.on('registered', note);
    const { failed, scenarios } = await powerOn('seed: monday\nscenarios: [{ scenario: sent-elsewhere, share: 0.1 }]', { workers }).ended;
    cloud.events.off('registered', note);
    t.match({ failed, scenarios }, { failed: 0, scenarios: { 'sent-elsewhere': { devices: 5, running: 5 } } });
    return [...counts]
      .filter(([, count]) => count === 2)
      .map(([id]) => id)
      .sort();
  };
  const once = await again(1);
  t.equal(once.length, 5);
  t.strictSame(await again(3), once);
});

t.test('what is torn by a power cut goes into the image, when that is written back, and is repaired there', async (t) => {
  const cut = 'writeBack: true\ndevices: 6\nscenarios: [{ scenario: power-cut-assignment }]';
  t.match(await powerOn(cut, { workers: 1 }).ended, { running: 6, failed: 0, scenarios: { 'power-cut-assignment': { dpsCalls: 12 } } });
  let asked = 0;
  const note = (): void => {
    asked += 1;
  };
  cloud.events.on('registered', note);
  t.match(await powerOn('writeBack: true\ndevices: 6', { workers: 1 }).ended, { running: 6, failed: 0 });
  cloud.events.off('registered', note);
  t.equal(asked, 0, 'each knows its hub');
});

t.test('a day that is not over when the fleet ends, or ends elsewhere, is a failure with its reason', async (t) => {
  const never = 'version: 1\nname: never\nfaults: [{ when: { state: safe }, fault: link-drop }]\nexpect: { state: running, dpsCalls: 1 }\n';
  writeFileSync(join(folder, 'never.yaml'), never);
  const stop = new AbortController();
  const onTally: FleetOptions['onTally'] = ({ booted, online }) => {
    if (booted === 46 && online === 48) stop.abort();
  };
  const { ended } = powerOn("scenarios: [{ scenario: never.yaml, devices: ['pump-*1', 'pump-*2'], share: 0.2 }]", {
    workers: 2,
    signal: stop.signal,
    onTally,
  });
  t.match(await ended, {
    running: 46,
    failed: 2,
    aborted: true,
    scenarios: { never: { devices: 2, running: 0, failed: 2, reasons: { 'some faults have not come, or are not over': 2 } } },
  });
});
