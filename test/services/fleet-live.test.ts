import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { parseFleetSpec, runFleet } from '@zerotouch/fleet-sim/fleet';
import { openLiveView } from '@zerotouch/fleet-sim/live/live-view';
import { FleetWatch } from '@zerotouch/fleet-sim/live/watch';
import { emptyTally } from '@zerotouch/fleet-sim/metrics';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { barriers, browserFor, PATIENCE_MS } from './browser.js';

const PAGE = fileURLToPath(new URL('../../../web-view/build/page/', import.meta.url));
const DEVICES = 24;
const MANY = 10_000;

async function lookAt(t: Test, watch: FleetWatch): Promise<Page> {
  const view = await openLiveView({ watch, page: PAGE });
  t.teardown(() => view.close());
  const browser = await browserFor(t);
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('pageerror', (error) => t.fail(`the page throws: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(`http://127.0.0.1:${view.port}/`)) t.fail(`the page asks ${request.url()}`);
  });
  await page.goto(view.url);
  await page.getByText('live', { exact: true }).waitFor();
  t.notMatch(page.url(), /token/, 'the token leaves the address at once');
  return page;
}

/** Waits until a tile shows this. */
const shows = (page: Page, name: string, value: string): Promise<void> =>
  page
    .locator('.tile', { has: page.getByText(name, { exact: true }) })
    .getByText(value, { exact: true })
    .waitFor();

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
  const page = await lookAt(t, watch);
  const port = cloud.dps.mqttPort;
  const ended = new AbortController();
  const fleet = runFleet(spec, {
    endpoint: { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port }, ca: cloud.ca },
    workers: 1,
    signal: ended.signal,
    onTally: watch.take,
    onControls: watch.steerBy,
  });
  await shows(page, 'online', String(DEVICES));
  t.strictSame(await barriers(page), []);

  // Nothing comes back while the fleet is paused: what is off is seen, however slow the page is.
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('combobox', { name: 'Region' }).selectOption('america');
  await page.getByRole('spinbutton', { name: 'For how many seconds' }).fill('1');
  await page.getByRole('button', { name: 'Bring region down' }).click();
  await page.getByText('america is down.').waitFor();
  await shows(page, 'off', String(DEVICES / 2));
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('Resumed.').waitFor();
  await shows(page, 'online', String(DEVICES));

  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('spinbutton', { name: 'Share to cut, in 100' }).fill('100');
  await page.getByRole('button', { name: 'Cut power' }).click();
  await shows(page, 'off', String(DEVICES));
  await page.getByRole('button', { name: 'Resume' }).click();
  await shows(page, 'online', String(DEVICES));
  ended.abort();
  t.match(await fleet, { running: DEVICES, failed: 0, tally: { online: DEVICES } });
});

t.test(`${MANY} devices are drawn as they come`, async (t) => {
  const watch = new FleetWatch({ name: 'many', regions: [], now: () => performance.now() });
  const page = await lookAt(t, watch);
  watch.steerBy({ pause: () => undefined, resume: () => undefined, cutPower: () => undefined, bringDown: () => undefined });
  for (let online = 0; online <= MANY; online += MANY / 10) {
    const seconds = Object.fromEntries(
      Array.from({ length: 600 }, (_, at) => [
        at,
        { online: at === 0 ? online : 0, boots: online / 600, retries: 1, throttled: 0, failures: 1 },
      ]),
    );
    watch.take({ ...emptyTally(MANY), on: online, online, booted: online, seconds, hubs: { 'hub-weu.azure-devices.net': online } });
    await shows(page, 'online', online.toLocaleString('en'));
  }
  await page.getByRole('img', { name: `${MANY.toLocaleString('en')} devices online` }).waitFor();
});
