import { once } from 'node:events';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeApp } from '@zerotouch/flash-image/app-image';
import t from 'tap';
import { Lines } from '../support/lines.js';
import { ending, firstLine, lastLine, run, runHere, start } from './support/command.js';

const spec = `version: 1
batch: booted
groups:
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'k-{serial}', serial: { count: 3 }, initialTwin: { desired: { interval: 7 } } }
  - { attestation: symmetric-key, enrolmentGroup: shut, registrationId: 's-{serial}', serial: { start: 11, count: 1 }, provisioningStatus: disabled }
`;

t.test('booting at the command', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  t.equal((await runHere(dir, 'burn', 'batch.yaml', '--out', 'batch')).code, 0);
  const image = (id: string) => join('batch', 'images', `${id}.bin`);
  const boot = (id: string, ...options: string[]) => runHere(dir, 'boot', image(id), '--client', 'wire', ...options);

  t.test('without a cloud in the folder: no service was reached', async (t) => {
    t.match(await boot('k-000001', '--once'), { code: 3, stderr: /^zerotouch: .*none runs in this folder.*\n$/ });
  });

  t.test('an image that is damaged is named, and is bad input', async (t) => {
    truncateSync(join(dir, image('k-000003')), 0x9000);
    const ended = await boot('k-000003', '--once', '--json');
    t.match(ended, { code: 2, stderr: /^zerotouch: batch\/images\/k-000003\.bin: [^\n]*\n$/ });
    t.match(lastLine(ended), { state: 'halted', error: { code: String } });
  });

  const cloud = start(dir, 'cloud', '--enrollments', 'batch', '--json', '--quiet');
  const cloudEnded = ending(cloud);
  t.teardown(() => cloud.kill('SIGKILL'));
  await firstLine(cloud);

  t.test('refused: exit 1, and the result says so', async (t) => {
    const ended = await boot('s-000011', '--once', '--json', '--trace', 'traces.jsonl');
    t.equal(ended.code, 1);
    t.match(lastLine(ended), { state: 'refused', hub: null, error: { code: 'BOOT_REFUSED', message: /401002/ } });
    t.match(readFileSync(join(dir, 'traces.jsonl'), 'utf8'), /"refused when registering: 401002/, 'and so does its trace');
  });

  t.test('connected until Ctrl-C, with the image kept from a second process', async (t) => {
    const device = start(dir, 'boot', image('k-000001'), '--client', 'wire', '--json');
    const whole = ending(device);
    await new Lines(device.stdout).until(/"boots"/);
    t.match(await boot('k-000001', '--once'), { code: 2, stderr: new RegExp(`the image is in use \\(process ${device.pid}\\)`) });
    device.kill('SIGINT');
    const { code } = await whole;
    t.equal(code, 130);
  });

  t.test('Ctrl-C before it is running leaves a result, too', async (t) => {
    const device = start(dir, 'boot', image('k-000002'), '--client', 'wire', '--json', '--endpoint', 'localhost:1');
    const whole = ending(device);
    await firstLine(device);
    device.kill('SIGINT');
    const ended = await whole;
    t.equal(ended.code, 130);
    t.match(lastLine(ended), { state: String, boots: Number, registrations: 0 });
  });

  t.test('an update that cannot be one is refused before the device is booted', async (t) => {
    writeFileSync(join(dir, 'app.bin'), encodeApp([{ address: 0x3c000000, bytes: Buffer.alloc(32) }]));
    writeFileSync(join(dir, 'notes.txt'), 'no application');
    const before = readFileSync(join(dir, image('k-000002')));
    t.match(await boot('k-000002', '--update', 'notes.txt'), { code: 2, stderr: /^zerotouch: notes\.txt: [^\n]*no application[^\n]*\n$/ });
    t.match(await boot('k-000002', '--update', 'app.bin'), { code: 2, stderr: /^zerotouch: [^\n]*k-000002\.bin: [^\n]*no slot[^\n]*\n$/ });
    const both = await boot('k-000002', '--update', 'app.bin', '--scenario', 'dns-gone');
    t.match(both, { code: 2, stderr: /^zerotouch: --scenario and --update exclude each other[^\n]*\n$/ });
    t.ok(readFileSync(join(dir, image('k-000002'))).equals(before));
  });

  t.test('times that are none', async (t) => {
    for (const seconds of ['0', '-1', '9999999', 'soon']) {
      t.match(await boot('k-000002', '--once', `--timeout=${seconds}`), { code: 2, stderr: /^zerotouch: .*seconds above 0[^\n]*\n$/ });
    }
  });

  t.test('a device outlives its cloud: started again, with another CA, it is found', async (t) => {
    const device = start(dir, 'boot', image('k-000002'), '--client', 'wire', '--json');
    t.teardown(() => device.kill('SIGKILL'));
    const lines = new Lines(device.stdout);
    const running = await lines.until(/"state":"running","table"/);
    cloud.kill('SIGKILL');
    await cloudEnded;
    rmSync(join(dir, '.zerotouch', 'ca.pem'));
    const second = start(dir, 'cloud', '--enrollments', 'batch', '--json');
    const secondEnded = ending(second);
    t.teardown(() => second.kill('SIGKILL'));
    // The new cloud has never heard of the device: its hub refuses it, DPS assigns it anew.
    await lines.until(/"state":"running","table"/, running + 1);
    const state = JSON.parse(readFileSync(join(dir, '.zerotouch', 'cloud.json'), 'utf8')) as { pid: number };
    t.equal(state.pid, second.pid);
    second.kill('SIGINT');
    t.equal((await secondEnded).code, 130);
  });
});

t.test('a burn whose reader has gone is finished all the same', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec.replace('count: 3', 'count: 60').replace('start: 11', 'start: 100') });
  const burn = start(dir, 'burn', 'batch.yaml', '--out', 'batch', '--json');
  burn.stdout?.destroy();
  burn.stderr?.resume();
  const [code] = (await once(burn, 'exit')) as [number];
  t.equal(code, 0);
  t.ok(readFileSync(join(dir, 'batch', 'images', 'k-000060.bin')).length > 0);
});

t.test('of two clouds started at once in a folder, one runs and nothing of it is touched', async (t) => {
  const dir = t.testdir();
  const both = [start(dir, 'cloud', '--json'), start(dir, 'cloud', '--json')];
  const ends = both.map((child) => ending(child));
  const ready = Promise.any(both.map((child) => firstLine(child)));
  t.teardown(() => both.map((child) => child.kill('SIGKILL')));
  const loser = await Promise.race(ends);
  t.match(loser, { code: 2, stdout: '', stderr: /already runs in this folder/ });
  const winner = both.find(({ exitCode }) => exitCode === null);
  await ready;
  const booted = await run(dir, 'boot', 'nothing.bin');
  t.equal(booted.code, 2);
  const ca = readFileSync(join(dir, '.zerotouch', 'ca.pem'), 'utf8');
  t.match(ca, /BEGIN CERTIFICATE/);
  winner?.kill('SIGINT');
  t.match((await Promise.all(ends)).map(({ code }) => code).sort(), [130, 2]);
});
