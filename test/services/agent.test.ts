import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readIdentity } from '@zerotouch/firmware-sim/identity/identity';
import { openImage } from '@zerotouch/flash-image/image';
import { fileStorage } from '@zerotouch/flash-image/storage';
import t from 'tap';
import { ending } from '../scripts/support/command.js';
import { Lines } from '../support/lines.js';
import { agentPlace, deviceCommand, startAgent, startManager } from './agent-bench.js';

const run = promisify(execFile);

t.test('the agent as systemd runs it', async (t) => {
  const place = await agentPlace(t);
  const notify = join(place.dir, 'notify');
  const manager = await startManager(t, notify);
  const registered: string[] = [];
  place.cloud.events.on('registered', ({ registrationId }) => registered.push(registrationId));
  const env = { NOTIFY_SOCKET: notify, WATCHDOG_USEC: '600000', STATE_DIRECTORY: join(place.dir, 'state') };
  const agent = startAgent(t, ['agent', '--config', place.settingsFile], env);
  const journal = new Lines(agent.stdout);
  const health = () => run(process.execPath, [deviceCommand, 'health', '--json', '--socket', place.socket]);

  await manager.until(/"READY=1"/);
  await manager.until(/"STATUS=running on hub-/);
  const [{ hub }] = [JSON.parse((await health()).stdout)];

  await t.test('health', async (t) => {
    t.match(JSON.parse((await health()).stdout), {
      healthy: true,
      state: 'running',
      since: /^\d{4}-/,
      registrationId: 'pi-000001',
      deviceId: 'pi-000001',
      hub: /^hub-/,
      configVersion: 1,
      lastError: null,
      settings: { file: place.settingsFile, from: 'file', refused: null },
      versions: { agent: /^\d+\.\d+\.\d+$/, node: process.versions.node, settings: 1 },
      image: { boots: 1, registrations: 1 },
      counters: { powerOns: 1, arrivals: 1, faults: 0, settingsApplied: 0, settingsRefused: 0 },
    });
    t.equal(statSync(place.socket).mode & 0o777, 0o660);
  });

  await t.test('signs of life, again and again', async () => {
    let from = 0;
    for (let count = 0; count < 3; count++) from = (await manager.until(/"WATCHDOG=1"/, from)) + 1;
  });

  await t.test('settings that cannot be used are refused, and the device stays where it is', async (t) => {
    const [heard, wrote] = [manager.all.length, journal.all.length];
    place.settings('transprot: amqp');
    const line = journal.all[await journal.until(/settings-refused/, wrote)];
    t.match(line, /^<4>settings-refused code=SETTINGS_INVALID detail=.*transprot/);
    const reloading = await manager.until(/"RELOADING=1"/, heard);
    t.match(manager.all[reloading], /"MONOTONIC_USEC=\d+"/);
    await manager.until(/"READY=1"/, reloading);
    t.match(JSON.parse((await health()).stdout), {
      healthy: true,
      settings: { refused: /transprot/ },
      lastError: { code: 'SETTINGS_INVALID', remedy: String },
    });
    t.notMatch(journal.all.slice(wrote).join('\n'), /state=mounting/);
  });

  await t.test('settings that can be used are applied by SIGHUP and by the change alone', async (t) => {
    for (const hup of [false, true]) {
      const [heard, wrote] = [manager.all.length, journal.all.length];
      place.settings(hup ? 'transport: amqp' : 'client: wire');
      if (hup) agent.kill('SIGHUP');
      await journal.until(/^<5>settings-applied /, wrote);
      await journal.until(/^<5>running /, wrote);
      await manager.until(/"READY=1"/, heard);
    }
    t.match(JSON.parse((await health()).stdout), { healthy: true, hub, settings: { refused: null }, image: { registrations: 1 } });
    t.strictSame(registered, ['pi-000001'], 'the hub is remembered');
  });

  await t.test('SIGTERM: the hub is told goodbye, systemd is told, exit 0, nothing is left', async (t) => {
    const ended = ending(agent);
    const left = once(place.cloud.events, 'disconnected');
    agent.kill('SIGTERM');
    t.equal((await ended).code, 0);
    t.match((await left)[0], { deviceId: 'pi-000001' });
    await manager.until(/"STOPPING=1"/);
    t.equal(journal.all.at(-1), '<5>stopped');
    t.notOk(existsSync(place.socket));
    t.notOk(existsSync(`${place.image}.lock`));
    await t.rejects(health(), { code: 1, stderr: /no agent answers/ });
  });

  t.test('the journal: a line an event, and never the key', async (t) => {
    for (const line of journal.all) t.match(line, /^<[3-6]>[a-z-]+( [a-z_]+=("(\\.|[^"])*"|[^ "]+))*$/);
    const storage = fileStorage(place.image, { readOnly: true });
    const { attestation } = readIdentity(openImage(storage));
    storage.close();
    const key = attestation.kind === 'symmetric-key' ? Buffer.from(attestation.key).toString('base64') : '';
    t.equal(key.length > 20, true);
    const said = journal.all.join('\n') + manager.all.join('\n');
    t.notOk(said.includes(key));
    t.notMatch(said, /SharedAccess|PRIVATE KEY/);
  });
});

t.test('killed at once and started again, at an abstract socket; then with settings that somebody broke meanwhile', async (t) => {
  const place = await agentPlace(t);
  const notify = `@zt-${process.pid}`;
  const manager = await startManager(t, notify);
  const env = { NOTIFY_SOCKET: notify, STATE_DIRECTORY: join(place.dir, 'state') };
  const args = ['agent', '--config', place.settingsFile, '--json'];
  const first = startAgent(t, args, env);
  await new Lines(first.stdout).until(/"event":"running"/);
  await manager.until(/"READY=1"/);
  first.kill('SIGKILL');
  await once(first, 'close');
  t.ok(existsSync(place.socket), 'it leaves its socket and its lock');
  writeFileSync(place.settingsFile, 'version: 2\n');
  const second = startAgent(t, args, env);
  const journal = new Lines(second.stdout);
  await journal.until(/"event":"running"/);
  t.match(journal.all.join('\n'), /"event":"settings-refused"/);
  const { stdout } = await run(process.execPath, [deviceCommand, 'health', '--json', '--socket', place.socket]);
  t.match(JSON.parse(stdout), {
    healthy: true,
    settings: { from: 'last-good', refused: /version/ },
    image: { boots: 2, registrations: 1 },
  });
  const ended = ending(second);
  second.kill('SIGTERM');
  t.equal((await ended).code, 0);
});

t.test('an agent that has nothing to go by says so and ends; systemd starts it again', async (t) => {
  const place = await agentPlace(t);
  writeFileSync(place.settingsFile, 'version: 1\n');
  await t.rejects(run(process.execPath, [deviceCommand, 'agent', '--config', place.settingsFile]), {
    code: 2,
    stderr: /^zerotouch-device: \S+device\.yaml:1:1 image: [^\n]+\n$/,
  });
  t.match(readFileSync(new URL('../../../firmware-sim/service/zerotouch-device.service', import.meta.url), 'utf8'), /^Restart=always$/m);
});
