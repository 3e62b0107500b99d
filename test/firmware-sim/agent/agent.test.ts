import { EventEmitter, once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { Agent, HALTED_MS, TRIAL_MS } from '@zerotouch/firmware-sim/agent/agent';
import { type LastGood, lastGoodIn } from '@zerotouch/firmware-sim/agent/last-good';
import { type Courier, ServiceManager } from '@zerotouch/firmware-sim/agent/service-manager';
import type { Settings } from '@zerotouch/firmware-sim/agent/settings';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t, { type Test } from 'tap';

const spec = `version: 1
batch: agents
groups:
  - { attestation: symmetric-key, enrolmentGroup: agents, registrationId: 'agent-{serial}', serial: { count: 1 } }
`;

/** The machine's clock, but waits of these lengths last until they are told to end. */
function heldClock(...lengths: number[]): { clock: Clock; release(ms: number): void } {
  const held = new EventEmitter().setMaxListeners(0);
  return {
    clock: {
      ...systemClock,
      wait: (ms, signal) =>
        lengths.includes(ms)
          ? once(held, String(ms), signal === undefined ? {} : { signal }).then(() => undefined)
          : systemClock.wait(ms, signal),
    },
    release: (ms) => void held.emit(String(ms)),
  };
}

/** An agent whose long waits end when they are told to, and whose journal can be awaited. */
async function bench(t: Test) {
  const dir = mkdtempSync(join(tmpdir(), 'zt-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  await burnBatch(parseSpec(spec, 'agents.yaml'), { out: join(dir, 'batch'), clock: systemClock, entropy: systemEntropy });
  const cloud = await startCloud({ retryAfterSeconds: 0 });
  t.teardown(() => cloud.close());
  await cloud.import(JSON.parse(readFileSync(join(dir, 'batch', 'enrolments.json'), 'utf8')) as EnrolmentFile);
  writeFileSync(join(dir, 'ca.pem'), cloud.ca);
  writeFileSync(join(dir, 'cloud.json'), JSON.stringify({ dps: { ...cloud.dps, host: 'localhost' }, ca: 'ca.pem' }));
  const image = join(dir, 'batch', 'images', 'agent-000001.bin');
  const good: Settings = { image, client: 'wire', transport: 'mqtt', cloud: join(dir, 'cloud.json'), healthSocket: join(dir, 'health') };
  const { clock, release } = heldClock(TRIAL_MS, HALTED_MS);
  const journal = new EventEmitter<Record<string, [Record<string, unknown>]>>();
  const told: string[] = [];
  const courier: Courier = async (assignments) => void told.push(...assignments);
  const file = { settings: good };
  const agentWith = (lastGood: LastGood, watchdogMs?: number): Agent => {
    const agent = new Agent({
      settingsFile: 'device.yaml',
      readSettings: async () => file.settings,
      lastGood,
      journal: (_, event, fields = {}) => void journal.emit(event, fields),
      manager: new ServiceManager(courier, () => undefined),
      watchdogMs,
      version: '0.0.0',
      clock,
    });
    t.teardown(() => agent.stop());
    return agent;
  };
  return { dir, image, good, release, journal, told, file, agentWith };
}

t.test('settings that lead nowhere give way to those that last led to the hub', async (t) => {
  const { dir, good, release, journal, file, agentWith } = await bench(t);
  const lastGood = lastGoodIn(join(dir, 'state'));
  const agent = agentWith(lastGood);
  const running = once(journal, 'running');
  await agent.start();
  await running;
  t.strictSame(lastGood.read(), good, 'proven, and kept');
  file.settings = { ...good, proxy: 'http://127.0.0.1:9' };
  await agent.reload();
  t.match(agent.health(), { healthy: false, counters: { settingsApplied: 1 }, settings: { from: 'file', refused: null } });
  const refused = once(journal, 'settings-refused');
  const back = once(journal, 'running');
  release(TRIAL_MS);
  t.match((await refused)[0], { code: 'SETTINGS_UNPROVEN', detail: /10 minutes/ });
  await back;
  t.match(agent.health(), {
    healthy: true,
    settings: { from: 'last-good', refused: /did not reach its hub/ },
    image: { registrations: 1 },
  });
  file.settings = good;
  await agent.reload();
  t.match(agent.health(), { settings: { from: 'file', refused: null } });
});

t.test('settings that led nowhere at first are refused no more once they lead to the hub', async (t) => {
  const { dir, image, good, release, journal, file, agentWith } = await bench(t);
  file.settings = { ...good, image: join(dir, 'later.bin') };
  const astray: Settings = { ...good, proxy: 'http://127.0.0.1:9' };
  const agent = agentWith({ read: () => astray, keep: () => undefined });
  await agent.start();
  const failure = once(journal, 'failure');
  release(TRIAL_MS);
  await failure;
  t.match(agent.health(), { healthy: false, settings: { from: 'last-good', refused: /did not reach its hub/ } });
  copyFileSync(image, join(dir, 'later.bin'));
  const running = once(journal, 'running');
  release(TRIAL_MS);
  await running;
  t.match(agent.health(), { healthy: true, settings: { from: 'file', refused: null } });
});

t.test('an image that is not there yet is looked at again; signs of life go on meanwhile', async (t) => {
  const { dir, image, good, release, journal, told, file, agentWith } = await bench(t);
  file.settings = { ...good, image: join(dir, 'later.bin') };
  const agent = agentWith(lastGoodIn(join(dir, 'state')), 30_000);
  const halted = once(journal, 'halted');
  await agent.start();
  await halted;
  t.match(agent.health(), { healthy: false, state: 'halted', lastError: { remedy: String }, counters: { faults: 1, powerOns: 1 } });
  copyFileSync(image, join(dir, 'later.bin'));
  const running = once(journal, 'running');
  release(HALTED_MS);
  await running;
  t.match(agent.health(), { healthy: true, counters: { powerOns: 2, arrivals: 1 } });
  t.ok(told.filter((line) => line === 'WATCHDOG=1').length > 0);
  t.ok(told.includes('READY=1'));
});

t.test('metrics are told on the socket, and on a port where one is asked for; one that is taken stops no device', async (t) => {
  const { good, journal, file, dir, agentWith } = await bench(t);
  const taken = createServer();
  t.teardown(() => taken.close());
  await once(taken.listen(0, '127.0.0.1'), 'listening');
  const { port } = taken.address() as AddressInfo;
  file.settings = { ...good, metricsPort: port };
  const agent = agentWith(lastGoodIn(join(dir, 'state')), 30_000);
  const [refused, running] = [once(journal, 'metrics-not-served'), once(journal, 'running')];
  await agent.start();
  t.match((await refused)[0], { port, detail: 'EADDRINUSE' });
  await running;

  const served = once(journal, 'metrics-served');
  const again = once(journal, 'running');
  file.settings = { ...good, metricsPort: 0 };
  await agent.reload();
  const [{ url }] = (await served) as [{ url: string }];
  await again;
  const answer = await fetch(url);
  t.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const told = await answer.text();
  for (const line of [
    'zerotouch_agent_state{state="running"} 1',
    'zerotouch_agent_boots_total 2',
    'zerotouch_agent_registrations_total 1',
    'zerotouch_agent_power_ons_total 2',
    'zerotouch_agent_config_version 1',
    'zerotouch_agent_flash_erasures_total 0',
    'zerotouch_agent_watchdog_seconds 30',
  ]) {
    t.ok(told.split('\n').includes(line), line);
  }
  t.equal((await fetch(url.replace('/metrics', '/health'))).status, 404, 'who the device is, is not told there');
  const bySocket = request({ socketPath: good.healthSocket, path: '/metrics' }).end();
  const [asked] = (await once(bySocket, 'response')) as [IncomingMessage];
  t.equal(asked.statusCode, 200);
  t.match(await text(asked), /^zerotouch_agent_running\{hub="hub-\w+\.azure-devices\.net"\} 1$/m);
  await agent.stop();
  await t.rejects(fetch(url), 'the port is given back');
});
