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
import { barriers } from './browser.js';
import { lookAtFleet, shows } from './fleet-page.js';

const DEVICES = 24;

t.test('a fleet is watched and steered in a browser while it runs', async (t) => {
  const folder = t.testdir();
  const batch = join(folder, 'batch');
  const group = `  - { enrolmentGroup: x, attestation: x509, registrationId: "pump-{serial}", serial: { start: 1, count: ${DEVICES} } }`;
  await burnBatch(parseSpec(`version: 1\nbatch: live\ngroups:\n${group}`, 'batch.yaml'), {
    out: batch,
    clock: systemClock,
    entropy: systemEntropy,
  });
  await using cloud = await startCloud({ retryAfterSeconds: 0 });
  await cloud.import(JSON.parse(readFileSync(join(batch, 'enrolments.json'), 'utf8')) as EnrolmentFile);
  const spec = parseFleetSpec(
    'version: 1\nname: pumps\nimages: batch\nregions: [{ name: europe }, { name: america }]\nafterwards: { stayForSeconds: 600 }',
    join(folder, 'fleet.yaml'),
  );
  const watch = new FleetWatch({ name: 'pumps', regions: ['europe', 'america'], now: () => performance.now() });
  const page = await lookAtFleet(t, watch);
  const port = cloud.dps.mqttPort;
  const ended = new AbortController();
  const fleet = runFleet(spec, {
    endpoint: { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port }, ca: cloud.ca },
    workers: 1,
    signal: ended.signal,
    onTally: watch.take,
    onControls: watch.steerBy,
  });
  await shows(page, 'online', DEVICES);
  t.strictSame(await barriers(page), []);

  // Nothing comes back while the fleet is paused: what is off is seen, however slow the page is.
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('combobox', { name: 'Region' }).selectOption('america');
  await page.getByRole('spinbutton', { name: 'Outages last, seconds' }).fill('1');
  await page.getByRole('button', { name: 'Bring region down' }).click();
  await page.getByText('america is down.').waitFor();
  await shows(page, 'off', DEVICES / 2);
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('Resumed.').waitFor();
  await shows(page, 'online', DEVICES);

  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('spinbutton', { name: 'Devices in 100' }).fill('100');
  await page.getByRole('button', { name: 'Cut their power' }).click();
  await shows(page, 'off', DEVICES);
  await page.getByRole('button', { name: 'Resume' }).click();
  await shows(page, 'online', DEVICES);
  ended.abort();
  t.match(await fleet, { running: DEVICES, failed: 0, tally: { online: DEVICES } });
});
