import type { FleetControls } from '@zerotouch/fleet-sim/fleet';
import { openLiveView } from '@zerotouch/fleet-sim/live/live-view';
import type { LiveTick } from '@zerotouch/fleet-sim/live/shapes';
import { FleetWatch } from '@zerotouch/fleet-sim/live/watch';
import { emptyHistogram, emptyTally, encodeHistogram } from '@zerotouch/fleet-sim/metrics';
import { fleetMetrics } from '@zerotouch/scripts/fleet-metrics';
import { fleetPicture, steerBy } from '@zerotouch/scripts/fleet-terminal';
import { serveMetrics } from '@zerotouch/scripts/metrics-server';
import t, { type Test } from 'tap';

function watchOf(): { watch: FleetWatch; said: unknown[]; pass(ms: number): void; begin(): void } {
  let now = 0;
  const said: unknown[] = [];
  const controls: FleetControls = {
    pause: () => said.push('pause'),
    resume: () => said.push('resume'),
    cutPower: (...args) => said.push(['cut', ...args]),
    bringDown: (...args) => said.push(['down', ...args]),
  };
  const watch = new FleetWatch({ name: 'pumps', regions: ['westeurope', 'eastus'], now: () => now });
  const pass = (ms: number): void => {
    now += ms;
  };
  return { watch, said, pass, begin: () => watch.steerBy(controls) };
}

function tallyOf() {
  const histogram = emptyHistogram();
  for (let ms = 1; ms <= 100; ms++) histogram.recordValue(ms);
  const second = { online: 30, boots: 40, retries: 2, throttled: 1, failures: 2 };
  return {
    ...emptyTally(200),
    booted: 100,
    on: 120,
    online: 90,
    halted: 10,
    retries: 4,
    throttled: 2,
    hubs: { 'hub-weu.azure-devices.net': 100 },
    bootMs: { x509: encodeHistogram(histogram) },
    seconds: { 0: second, 2: second },
    reasons: { 'throttled 429 when registering': { count: 2, example: 'too many' } },
  };
}

t.test('a fleet at one moment: every device has one state, and the curve of those online is summed', async (t) => {
  const { watch, pass, begin } = watchOf();
  begin();
  pass(4_200);
  watch.take(tallyOf());
  const tick = watch.tick;
  t.strictSame(tick.states, { off: 70, booting: 30, online: 90, halted: 10 });
  t.strictSame(
    tick.seconds.map(({ at, online }) => [at, online]),
    [
      [0, 30],
      [1, 30],
      [2, 60],
      [3, 60],
    ],
  );
  t.equal(tick.bootsPerSecond, 20);
  t.equal(tick.bootMs.p50, 50);
  t.match(fleetPicture(tick), /off 70 {3}booting 30 {3}online 90 {3}halted 10/);
});

async function viewOf(t: Test) {
  const given = watchOf();
  const folder = t.testdir({ 'index.html': 'cloud', 'fleet.html': '<p>fleet</p>' });
  const view = await openLiveView({ watch: given.watch, page: folder });
  t.teardown(() => view.close());
  const [origin = '', token = ''] = view.url.split('/#token=');
  const order = (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${origin}/api/orders`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    });
  return { ...given, view, origin, token, order };
}

t.test('only the page that was opened with the token steers', async (t) => {
  const { order, begin, said } = await viewOf(t);
  begin();
  const refused = [
    { headers: { authorization: 'Bearer guess' }, status: 401 },
    { headers: { origin: 'https://evil.example' }, status: 403 },
    { headers: { 'sec-fetch-site': 'cross-site' }, status: 403 },
    { headers: { 'content-type': 'text/plain' }, status: 400 },
  ];
  for (const { headers, status } of refused) t.equal((await order({ order: 'pause' }, headers)).status, status);
  t.strictSame(said, []);
});

t.test('orders reach the fleet, and what is none is said', async (t) => {
  const { order, begin, said, watch } = await viewOf(t);
  t.equal((await order({ order: 'pause' })).status, 409, 'not powered on yet');
  begin();
  for (const good of [
    { order: 'pause' },
    { order: 'resume' },
    { order: 'cut', share: 0.25, seconds: 3 },
    { order: 'region', region: 'eastus', seconds: 5 },
  ]) {
    t.equal((await order(good)).status, 200);
  }
  t.strictSame(said, ['pause', 'resume', ['cut', 0.25, 3], ['down', 'eastus', 5]]);
  t.equal((await order({ order: 'region', region: 'mars', seconds: 5 })).status, 404);
  for (const bad of [{ order: 'cut', share: 2, seconds: 1 }, { order: 'burn' }, {}]) t.equal((await order(bad)).status, 400);
  t.equal(steerBy('p', watch) && steerBy('1', watch) && steerBy('c', watch), true);
  t.equal(steerBy('9', watch), false, 'no such region');
  t.strictSame(said.slice(4), ['pause', ['down', 'westeurope', 10], ['cut', 0.1, 10]]);
});

t.test('the page is there, and the figures are streamed', async (t) => {
  const { origin, token, begin, watch, view } = await viewOf(t);
  begin();
  watch.take(tallyOf());
  t.equal(await (await fetch(`${origin}/`)).text(), '<p>fleet</p>');
  const { body, headers } = await fetch(`${origin}/api/events`, { headers: { authorization: `Bearer ${token}` } });
  t.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8');
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  const { value = '' } = (await reader?.read()) ?? {};
  const tick = JSON.parse(/data: (.*)/.exec(value)?.[1] ?? '') as LiveTick;
  t.match(tick, { devices: 200, states: { online: 90 }, reasons: [{ count: 2 }] });
  await view.close();
  let isOver = false;
  while (!isOver) {
    isOver = await (reader?.read() ?? Promise.reject()).then(
      ({ done }) => done,
      () => true,
    );
  }
  t.ok(isOver, 'a stream ends with the view');
});

t.test('a port that is taken is said', async (t) => {
  const { view, watch } = await viewOf(t);
  await t.rejects(openLiveView({ watch, page: t.testdir({ 'index.html': '', 'fleet.html': '' }), port: view.port }), {
    code: 'PORT_IN_USE',
  });
  await t.rejects(serveMetrics(fleetMetrics(watch), view.port), { code: 'PORT_IN_USE' });
});

t.test('Prometheus reads the same figures, and no id of a device', async (t) => {
  const { watch, begin } = watchOf();
  begin();
  watch.take(tallyOf());
  await using server = await serveMetrics(fleetMetrics(watch), 0);
  for (let scrape = 0; scrape < 2; scrape++) {
    const answer = await fetch(server.url);
    const text = await answer.text();
    t.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
    for (const line of [
      'zerotouch_fleet_devices{state="online"} 90',
      'zerotouch_fleet_boots_total 100',
      'zerotouch_fleet_throttled_total 2',
      'zerotouch_fleet_boot_seconds{quantile="0.5"} 0.05',
      'zerotouch_fleet_hub_devices{hub="hub-weu.azure-devices.net"} 100',
    ]) {
      t.ok(text.split('\n').includes(line), line);
    }
  }
  t.equal((await fetch(server.url.replace('/metrics', '/'))).status, 404);
});
