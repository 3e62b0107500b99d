import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import t from 'tap';
import { cloudFor, derived, key, keyGroup } from '../cloud-sim/clouds.js';
import { register, signIn } from '../cloud-sim/official-clients.js';
import { barriers, browserFor, goTo, lookAt } from './browser.js';

const GROUP_KEY = key('line 7');
const MANY = 100_000;

/** A cloud with a group, a device at its hub, and one that is refused. */
async function line(cloud: Cloud): Promise<{ hub: string; key: string }> {
  const desired = { interval: 5, limits: { high: 80, low: 70 } };
  await keyGroup(cloud, 'line-7', GROUP_KEY, { initialTwin: { tags: { line: 7 }, properties: { desired } } });
  const deviceKey = derived(GROUP_KEY, 'pump-1');
  const { assignedHub } = await register(cloud, 'pump-1', { key: deviceKey });
  await register(cloud, 'pump-2', { key: GROUP_KEY }).catch(() => {});
  return { hub: assignedHub, key: deviceKey };
}

t.test('why a device fails is seen as it happens, and what to do', async (t) => {
  const cloud = await cloudFor(t);
  const { page } = await lookAt(t, await browserFor(t), cloud);
  await page.getByText('No device is failing.').waitFor();
  await line(cloud);
  await page.getByText('derive the device key at the factory').first().waitFor();
  await page.getByRole('link', { name: 'Failures' }).click();
  await page.getByRole('heading', { name: /pump-2/ }).waitFor();
  await page.getByText('the token is signed with the key of enrolment group "line-7" itself').waitFor();
  await page.getByRole('link', { name: 'pump-2' }).click();
  await page.getByRole('heading', { name: 'Refused: the real reason' }).waitFor();
  await register(cloud, 'pump-2', { key: derived(GROUP_KEY, 'pump-2') });
  await page.getByText('initial assignment').waitFor();
  t.equal(await page.getByRole('heading', { name: 'Refused: the real reason' }).count(), 0, 'it got through');
});

t.test('by keyboard alone: a device is found, its twin edited, a method called, and the device hears of it', async (t) => {
  const cloud = await cloudFor(t);
  const { hub, key } = await line(cloud);
  const client = await signIn(cloud, hub, 'pump-1', { key });
  t.teardown(() => client.close());
  const twin = await client.getTwin();
  const heard = new Promise((resolve) => twin.on('properties.desired', (change) => change.$version > 1 && resolve(change)));
  client.onDeviceMethod('blink', ({ payload }, response) => response.send(200, { blinked: payload.times }));
  await client.getTwin();

  const { page } = await lookAt(t, await browserFor(t), cloud);
  const { keyboard } = page;
  /** Goes on with Tab until what has the focus is called like this. */
  const tabTo = async (name: string): Promise<void> => {
    for (let steps = 0; steps < 60; steps++) {
      await keyboard.press('Tab');
      const focused = await page.evaluate<string>(
        `(({ labels, ariaLabel, textContent }) => ariaLabel ?? labels?.[0]?.textContent ?? textContent ?? '')(document.activeElement)`,
      );
      if (focused.trim().startsWith(name)) return;
    }
    throw new Error(`Tab does not lead to ${name}`);
  };
  await keyboard.press('/');
  await keyboard.type('pump-1');
  await keyboard.press('Enter');
  await page.getByRole('heading', { name: 'pump-1', exact: true }).waitFor();
  await tabTo('Desired properties');
  await keyboard.press('Control+A');
  await keyboard.type('{ "interval": 7, "limits": { "high": 80 } }');
  await tabTo('Save desired properties');
  await keyboard.press('Enter');
  await page.getByText('Saved as version 2.').waitFor();
  t.strictSame(await heard, { interval: 7, limits: { low: null }, $version: 2 }, 'only what was changed is sent');

  await tabTo('Method');
  await keyboard.type('blink');
  await tabTo('Payload');
  await keyboard.type('{ "times": 3 }');
  await tabTo('Call');
  await keyboard.press('Enter');
  await page.getByText('Status 200').waitFor();
  await page.getByText('"blinked": 3').waitFor();

  const reported = once(cloud.events, 'reported');
  twin.properties.reported.update({ firmware: '1.4.2' }, () => {});
  await reported;
  await page.getByText('"firmware": "1.4.2"').waitFor();
  await client.close();
  await page.getByText('disconnected').first().waitFor();
});

t.test('what is typed is not lost to what others do, and does not undo it', async (t) => {
  const cloud = await cloudFor(t);
  const { hub } = await line(cloud);
  const { page } = await lookAt(t, await browserFor(t), cloud);
  await goTo(page, '#/device?id=pump-1');
  const field = page.getByRole('textbox', { name: /^Desired properties/ });
  await field.fill('{ "interval": ');
  await page.getByRole('button', { name: 'Save desired properties' }).click();
  await page.getByText('This is no JSON').waitFor();
  await field.fill('{ "interval": 9 }');
  await cloud.hub(hub).updateDesired('pump-1', { interval: 6 });
  await cloud.hub(hub).disconnect('pump-1');
  await register(cloud, 'pump-1', { key: derived(GROUP_KEY, 'pump-1') });
  await page.getByText('Somebody else changed this meanwhile').waitFor();
  t.equal(await field.inputValue(), '{ "interval": 9 }');
  await page.getByRole('button', { name: 'Save desired properties' }).click();
  await page.getByText('has changed since it was read').waitFor();
  t.match((await cloud.hub(hub).twin('pump-1')).properties.desired, { interval: 6, limits: { high: 80 } });
  await page.getByRole('button', { name: 'Take back' }).first().click();
  t.match(await field.inputValue(), /"interval": 6/);
});

t.test(`${MANY} devices are paged and found`, async (t) => {
  const cloud = await cloudFor(t, { limits: 'off' });
  const hub = cloud.hub('hub-weu.azure-devices.net');
  for (let n = 0; n < MANY; n++) await hub.createDevice({ deviceId: `pump-${String(n).padStart(6, '0')}` });
  const { page } = await lookAt(t, await browserFor(t), cloud);
  await page
    .getByRole('row', { name: /hub-weu/ })
    .getByText('100,000')
    .first()
    .waitFor();
  await page.getByRole('link', { name: 'hub-weu' }).first().click();
  await page.getByRole('link', { name: 'pump-000049' }).waitFor();
  t.equal(await page.getByRole('row').count(), 51, 'fifty and the head');
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByRole('link', { name: 'pump-000099' }).waitFor();
  await page.getByRole('button', { name: 'Previous' }).click();
  await page.getByRole('link', { name: 'pump-000000' }).waitFor();
  await page.getByLabel('device id begins with').fill('pump-09999');
  await page.getByRole('link', { name: 'pump-099999' }).waitFor();
  await page.getByText('10 shown, the last page').waitFor();
  await page.getByRole('link', { name: 'pump-099999' }).click();
  await page.getByRole('heading', { name: 'pump-099999' }).waitFor();
});

t.test('wide and narrow, light and dark, nothing stands in anybody’s way', async (t) => {
  const cloud = await cloudFor(t);
  await line(cloud);
  const browser = await browserFor(t);
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const viewport of [
      { width: 1280, height: 900 },
      { width: 360, height: 740 },
    ]) {
      const { page } = await lookAt(t, browser, cloud, { colorScheme, viewport });
      const back = await page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor');
      const isDark = Number(/\d+/.exec(back)?.[0]) < 128;
      t.equal(isDark, colorScheme === 'dark', `${colorScheme} as the system has it`);
      for (const [place, title] of [
        ['#/', 'Overview'],
        ['#/devices', /Devices at/],
        ['#/device?id=pump-1', 'pump-1'],
        ['#/device?id=pump-2', 'pump-2'],
        ['#/registrations', 'Registrations'],
        ['#/enrolments', 'Enrolments'],
        ['#/failures', 'Failures'],
      ] as const) {
        await goTo(page, place);
        await page.getByRole('heading', { level: 1, name: title }).waitFor();
        t.strictSame(await barriers(page), [], `${place}, ${colorScheme}, ${viewport.width} wide`);
        const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
        t.equal(overflow, 0, `${place} fits ${viewport.width}`);
      }
    }
  }
  const { page } = await lookAt(t, browser, cloud, { colorScheme: 'light' });
  await page.getByRole('button', { name: /^Theme: auto/ }).click();
  await page.getByRole('button', { name: /^Theme: light/ }).click();
  await page.waitForFunction("document.documentElement.dataset.theme === 'dark'");
  await page.reload();
  await page.getByRole('button', { name: /^Theme: dark/ }).waitFor();
});

t.test('the token leaves the address, and without it nothing is shown', async (t) => {
  const cloud = await cloudFor(t);
  await line(cloud);
  const browser = await browserFor(t);
  const { page, view } = await lookAt(t, browser, cloud);
  t.equal(page.url(), `http://127.0.0.1:${view.port}/#/`);
  await page.reload();
  await page.getByText('live', { exact: true }).waitFor();
  const stranger = await (await browser.newContext()).newPage();
  await stranger.goto(`http://127.0.0.1:${view.port}/`);
  await stranger.getByRole('heading', { name: 'This page has no token' }).waitFor();
  t.notMatch(await stranger.content(), /pump-|hub-weu/);
  // Somebody's page beside ours: another port of this address is the same site, and shares its cookies.
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>x</title>'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  await stranger.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const token = new URL(view.url).hash.replace('#token=', '');
  const reach = (options: object): Promise<unknown> =>
    stranger.evaluate(
      `fetch('http://127.0.0.1:${view.port}/api/overview', ${JSON.stringify(options)}).then(({ type, status }) => ({ type, status }), () => 'kept apart')`,
    );
  t.equal(await reach({ headers: { authorization: `Bearer ${token}` } }), 'kept apart', 'even with the token');
  t.equal(await reach({}), 'kept apart');
  t.equal(await reach({ mode: 'no-cors', credentials: 'include' }), 'kept apart');
});
