import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { ending, firstLine, jsonLines, lastLine, run, runHere, start } from './support/command.js';

interface Ready {
  ready: boolean;
  dps: { host: string; mqttPort: number; idScope: string };
  ca: string;
}

const spec = `version: 1
batch: clouded
groups:
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'probe-{serial}', serial: { count: 1 }, initialTwin: { desired: { interval: 7 } } }
  - { attestation: symmetric-key, enrolmentGroup: shut, registrationId: 'shut-{serial}', serial: { start: 2, count: 1 }, provisioningStatus: disabled }
`;

t.test('a cloud from ready to Ctrl-C', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  t.equal((await runHere(dir, 'burn', 'batch.yaml', '--out', 'batch')).code, 0);
  const stateFile = join(dir, '.zerotouch', 'cloud.json');
  const cloud = start(dir, 'cloud', '--enrollments', 'batch', '--json');
  const whole = ending(cloud);
  t.teardown(() => cloud.kill('SIGKILL'));
  const ready = JSON.parse(await firstLine(cloud)) as Ready;

  t.test('the first line has the shape that programs rely on', async (t) => {
    t.strictSame(Object.keys(ready), ['ready', 'dps', 'hubs', 'arm', 'ca']);
    t.strictSame(Object.keys(ready.dps).sort(), ['amqpPort', 'host', 'httpsPort', 'idScope', 'mqttPort', 'serviceConnectionString']);
    t.match(ready, {
      ready: true,
      dps: {
        host: 'localhost',
        idScope: '0ne00000A1B',
        amqpPort: Number,
        httpsPort: Number,
        serviceConnectionString: /^HostName=localhost:\d+;SharedAccessKeyName=provisioningserviceowner;SharedAccessKey=.+=$/,
      },
      hubs: Array.from({ length: 3 }, () => ({
        host: /\.azure-devices\.net$/,
        region: String,
        subscription: String,
        connectionString: /^HostName=.*;SharedAccessKeyName=.*;SharedAccessKey=/,
      })),
      arm: { endpoint: /^https:\/\/localhost:\d+$/, tenant: String, clientId: String, clientSecret: String },
    });
  });

  t.test('the commands that point az here', async (t) => {
    const { code, stdout } = await runHere(dir, 'cloud', '--print-az', '--json');
    t.equal(code, 0);
    const { commands } = lastLine({ code, stdout, stderr: '' }) as { commands: string[] };
    t.match(commands.join('\n'), /az cloud register --name zerotouch --endpoint-resource-manager https:\/\/localhost:\d+ /);
    t.match(commands.at(-1), /^az login --service-principal --username \S+ --password \S+ --tenant \S+/);
    t.match((await runHere(dir, 'cloud', '--print-az')).stdout.trim().split('\n'), commands);
  });

  t.test('the state file says the same, for its owner only', async (t) => {
    const state = JSON.parse(readFileSync(stateFile, 'utf8')) as Record<string, unknown>;
    const { pid, ...rest } = state;
    t.strictSame(rest, ready);
    t.equal(pid, cloud.pid);
    t.equal(statSync(stateFile).mode & 0o777, 0o600);
  });

  t.test('the CA that it names is the one of the listener', async (t) => {
    const socket = connectTls({ host: '127.0.0.1', port: ready.dps.mqttPort, servername: 'localhost', ca: readFileSync(ready.ca, 'utf8') });
    await once(socket, 'secureConnect');
    t.ok(socket.authorized);
    socket.destroy();
  });

  t.test('a second cloud in the folder is refused, and the first one’s file is left alone', async (t) => {
    t.match(await runHere(dir, 'cloud'), { code: 2, stdout: '', stderr: /^zerotouch: .*already runs in this folder \(process \d+\).*\n$/ });
    t.ok(existsSync(stateFile));
  });

  t.test('a taken port is refused with its number', async (t) => {
    const port = String(ready.dps.mqttPort);
    const { code, stderr } = await runHere(t.testdir(), 'cloud', '--mqtt-port', port);
    t.equal(code, 2);
    t.match(stderr, new RegExp(`^zerotouch: [^\\n]*${port}[^\\n]*\\n$`));
  });

  t.test('a device boots by the state file; booted again, it does not register again', async (t) => {
    const boot = () => run(dir, 'boot', 'batch/images/probe-000001.bin', '--once', '--json', '--client', 'wire', '--timeout', '50');
    for (const boots of [1, 2]) {
      const ended = await boot();
      t.equal(ended.code, 0, ended.stderr);
      t.match(lastLine(ended), { state: 'running', deviceId: 'probe-000001', config: { interval: 7 }, boots, registrations: 1 });
    }
  });

  t.test('a refused device ends with exit code 1', async (t) => {
    const ended = await runHere(dir, 'boot', 'batch/images/shut-000002.bin', '--once', '--json', '--client', 'wire', '--timeout', '50');
    t.equal(ended.code, 1);
    t.match(ended.stderr, /^zerotouch: [^\n]+\n$/);
    t.notMatch(lastLine(ended), { state: 'running' });
  });

  t.test('Ctrl-C ends it with 130, the counts, and no file left', async (t) => {
    cloud.kill('SIGINT');
    const ended = await whole;
    t.equal(ended.code, 130);
    t.equal(ended.stderr, '');
    t.match(lastLine(ended), { ended: true, registered: 1, connected: 2 });
    const events = jsonLines(ended.stdout).map(({ event }) => event);
    t.equal(events[1], 'imported', 'the batch is told after the cloud is ready');
    const refusal = jsonLines(ended.stdout).find(({ event }) => event === 'refused');
    t.match(refusal, { id: 'shut-000002', service: 'dps', reason: { rule: 'enrolment-disabled', text: String } });
    t.notOk(existsSync(stateFile));
    t.notOk(existsSync(ready.ca));
    const refused = connectTcp({ host: '127.0.0.1', port: ready.dps.mqttPort });
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    t.equal(error.code, 'ECONNREFUSED');
  });
});

t.test('a polite kill ends a cloud with 0, in words for people, without secrets', async (t) => {
  const dir = t.testdir();
  const cloud = start(dir, 'cloud');
  const whole = ending(cloud);
  t.teardown(() => cloud.kill('SIGKILL'));
  await firstLine(cloud);
  cloud.kill('SIGTERM');
  const { code, stdout } = await whole;
  t.equal(code, 0);
  t.match(stdout, /The local Azure is ready.*Ended\./s);
  t.notMatch(stdout, 'SharedAccessKey=');
  t.notOk(existsSync(join(dir, '.zerotouch', 'cloud.json')));
});

t.test('a state file that a crash left behind is no obstacle', async (t) => {
  const gone = start(t.testdir(), '--version');
  await ending(gone);
  const dir = t.testdir({ '.zerotouch': { 'cloud.json': JSON.stringify({ pid: gone.pid }) } });
  const cloud = start(dir, 'cloud');
  const whole = ending(cloud);
  t.teardown(() => cloud.kill('SIGKILL'));
  await firstLine(cloud);
  cloud.kill('SIGTERM');
  t.equal((await whole).code, 0);
});

t.test('enrolments that cannot be used end the cloud before it is ready', async (t) => {
  const dir = t.testdir({ broken: { 'enrolments.json': '{' }, foreign: {} });
  writeFileSync(join(dir, 'foreign', 'enrolments.json'), '{"version":7}');
  for (const name of ['missing', 'broken', 'foreign']) {
    const { code, stdout, stderr } = await run(dir, 'cloud', '--enrollments', name);
    t.equal(code, 2, name);
    t.equal(stdout, '', name);
    t.match(stderr, new RegExp(`^zerotouch: ${name}/enrolments\\.json: [^\\n]+\\n$`), name);
    t.notOk(existsSync(join(dir, '.zerotouch')), name);
  }
});

t.test('--print-hosts prints what /etc/hosts needs, and ends', async (t) => {
  const { code, stdout } = await runHere(t.testdir(), 'cloud', '--print-hosts');
  t.equal(code, 0);
  t.match(stdout, /^127\.0\.0\.1 global\.azure-devices-provisioning\.net\n(127\.0\.0\.1 [a-z-]+\.azure-devices\.net\n){3}$/);
});
