import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { parseFleetSpec, runFleet } from '@zerotouch/fleet-sim/fleet';
import { FleetWatch } from '@zerotouch/fleet-sim/live/watch';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t from 'tap';
import { lookAtFleet, shown, shows, tile } from './fleet-page.js';

const DEVICES = 10_000;

t.test(`${DEVICES} devices boot, each with a certificate of its own, while a person looks on and steers`, async (t) => {
  const bun = process.env.ZT_TEST_BUN;
  if (bun === undefined) throw new Error('ZT_TEST_BUN is not set: run npm run test:services');
  const folder = t.testdir();
  const batch = join(folder, 'batch');
  const serial = `{ start: 1, count: ${DEVICES} }`;
  const group = `{ enrolmentGroup: many, attestation: x509, registrationId: "pump-{serial}", serial: ${serial} }`;
  await burnBatch(parseSpec(`version: 1\nbatch: many\ngroups:\n  - ${group}`, 'batch.yaml'), {
    out: batch,
    workers: 2,
    clock: systemClock,
    entropy: systemEntropy,
  });
  t.comment(`burnt after ${Math.round(process.uptime())} s`);
  await using cloud = await startCloud({ retryAfterSeconds: 0 });
  await cloud.import(JSON.parse(readFileSync(join(batch, 'enrolments.json'), 'utf8')) as EnrolmentFile);
  const connected = new Set<string>();
  cloud.events.on('connected', ({ deviceId }) => connected.add(deviceId));

  const watch = new FleetWatch({ name: 'many', regions: [], now: () => performance.now() });
  const page = await lookAtFleet(t, watch);

  let enough = (): void => undefined;
  const someOnline = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const ended = new AbortController();
  t.teardown(() => ended.abort());
  const port = cloud.dps.mqttPort;
  const fleet = runFleet(
    parseFleetSpec(
      'version: 1\nname: many\nimages: batch\nafterwards: { stayForSeconds: 86400 }\ngiveUpAfterSeconds: 86400',
      join(folder, 'fleet.yaml'),
    ),
    {
      endpoint: { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port }, ca: cloud.ca },
      workers: 1,
      execPath: bun,
      signal: ended.signal,
      onTally: (tally) => {
        watch.take(tally);
        if (tally.online >= DEVICES / 10) enough();
      },
      onControls: watch.steerBy,
    },
  );

  await someOnline;
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Resume' }).waitFor();
  await shows(page, 'booting', 0);
  const waiting = await shown(page, 'off');
  t.ok(waiting > 0, `${waiting} devices wait`);
  t.equal((await shown(page, 'online')) + waiting, DEVICES);

  await page.getByRole('spinbutton', { name: 'Devices in 100' }).fill('10');
  await page.getByRole('spinbutton', { name: 'Outages last, seconds' }).fill('1');
  await page.getByRole('button', { name: 'Cut their power' }).click();
  await tile(page, 'off')
    .filter({ hasNotText: waiting.toLocaleString('en') })
    .waitFor();
  t.ok((await shown(page, 'off')) > waiting, 'more are off, and stay off while the fleet is paused');
  await page.getByRole('button', { name: 'Resume' }).click();

  await shows(page, 'online', DEVICES);
  await page.getByRole('img', { name: `${DEVICES.toLocaleString('en')} devices online` }).waitFor();
  t.equal(connected.size, DEVICES, 'the hubs have seen as many');
  t.comment(`all online after ${Math.round(process.uptime())} s`);
  ended.abort();
  const { tally, ...figures } = await fleet;
  t.match(figures, { devices: DEVICES, running: DEVICES, failed: 0 });
  t.equal(tally.online, DEVICES);
  t.comment(JSON.stringify(figures));
});
