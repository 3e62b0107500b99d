import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { dirname, join } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { dpsErrors } from '@zerotouch/azure-wire/errors';
import { type Behaviour, startCloud } from '@zerotouch/cloud-sim/cloud';
import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { tracePlaceOf } from '@zerotouch/fleet-sim/trace/trace-place';
import { openTracing } from '@zerotouch/fleet-sim/trace/tracing';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t, { type Test } from 'tap';
import { collectorFor, type OtlpRequest, outline, type SpanTree, spanOf, treesOf } from './collector.js';

const spec = `version: 1
batch: traced
groups:
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'k-{serial}', serial: { start: 1, count: 1 } }
  - { attestation: symmetric-key, enrolmentGroup: shut, registrationId: 's-{serial}', serial: { start: 2, count: 1 }, provisioningStatus: disabled }
`;

async function bench(t: Test) {
  const out = join(t.testdir(), 'batch');
  await burnBatch(parseSpec(spec, 'traced.yaml'), { out, clock: systemClock, entropy: systemEntropy });
  const cloud = await startCloud({ retryAfterSeconds: 0 });
  t.teardown(() => cloud.close());
  const enrolments = JSON.parse(readFileSync(join(out, 'enrolments.json'), 'utf8')) as EnrolmentFile;
  await cloud.import(enrolments);
  const port = cloud.dps.mqttPort;
  const endpoint = { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port }, ca: cloud.ca };
  return {
    cloud,
    port,
    endpoint,
    secrets: JSON.stringify(enrolments).match(/[\w+/]{43,}={1,2}/g) ?? [],
    image: (id: string) => join(out, 'images', `${id}.bin`),
  };
}

/** What was told of a boot that is over, however it ended. */
async function tracesOf(t: Test, boot: (trace: ReturnType<typeof openTracing>['api']) => Promise<unknown>) {
  const collector = await collectorFor(t);
  {
    await using tracing = openTracing(tracePlaceOf(collector.url), {
      service: 'test',
      version: '1.2.3',
      onTrouble: (detail) => t.fail(`not told: ${detail}`),
    });
    await boot(tracing.api);
  }
  return { ...collector, trees: treesOf(collector.requests) };
}

/** Each span lies within its parent. Times are rounded to microseconds on the way. */
function timesHold(t: Test, { name, startMs, endMs, children }: SpanTree): void {
  t.ok(endMs >= startMs, `${name} ends after it began`);
  for (const child of children) {
    t.ok(child.startMs >= startMs - 0.01 && child.endMs <= endMs + 0.01, `${child.name} within ${name}`);
    timesHold(t, child);
  }
}

t.test('a boot that succeeds is one trace, from power on to running', async (t) => {
  const { cloud, endpoint, port, image, secrets } = await bench(t);
  const before = Date.now();
  const { trees, requests, text } = await tracesOf(t, async (trace) => {
    const device = await powerOn({ flash: image('k-000001'), client: 'wire', endpoint, trace });
    await device.stop();
  });
  const [boot] = trees;
  if (trees.length !== 1 || boot === undefined) return void t.fail(trees.map(outline).join('; '));
  t.equal(
    outline(boot),
    'boot(mount flash, read identity, set clock, recall assignment, ' +
      'register with DPS(connect to DPS, register, wait for assignment(poll)), keep assignment, ' +
      'connect to hub, pull twin, apply configuration, keep configuration, report)',
  );
  timesHold(t, boot);
  t.ok(boot.startMs >= before - 1000 && boot.endMs <= Date.now() + 1000, 'told in the time of day');
  const [hub] = cloud.hubs.map(({ host }) => host).filter((host) => host === boot.attributes['zerotouch.hub']);
  t.match(boot, {
    error: undefined,
    attributes: {
      'device.id': 'k-000001',
      'zerotouch.registration_id': 'k-000001',
      'zerotouch.attestation': 'symmetric-key',
      'zerotouch.transport': 'mqtt',
      'zerotouch.client': 'wire',
      'zerotouch.hub': String,
      'zerotouch.state': 'running',
    },
  });
  const dps = { 'server.address': 'localhost', 'server.port': port, 'network.protocol.name': 'mqtt' };
  for (const name of ['connect to DPS', 'register', 'poll']) t.match(spanOf(boot, name), { isCall: true, attributes: dps });
  const atHub = { 'server.address': hub, 'network.peer.address': 'localhost', 'network.peer.port': port };
  for (const name of ['connect to hub', 'pull twin', 'report']) t.match(spanOf(boot, name), { isCall: true, attributes: atHub });
  const { attributes } = requests[0]?.resourceSpans[0]?.resource ?? { attributes: [] };
  t.match(Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue])), {
    'service.name': 'test',
    'service.version': '1.2.3',
  });
  t.not(secrets.length, 0);
  for (const secret of secrets) t.notOk(text().includes(secret), 'no secret is told');
});

t.test('a boot that is refused says so where it was, and as a whole', async (t) => {
  const { endpoint, image } = await bench(t);
  const { trees } = await tracesOf(t, (trace) =>
    t.rejects(powerOn({ flash: image('s-000002'), client: 'wire', endpoint, trace, giveUpWhenRefused: true }), { code: 'BOOT_REFUSED' }),
  );
  const boot = trees[0] as SpanTree;
  t.match(outline(boot), /register with DPS\(connect to DPS, register\), cool down\)$/);
  t.match(boot, { error: /^refused when registering: 401002/, attributes: { 'zerotouch.state': 'refused', 'error.type': 'refused' } });
  t.match(spanOf(boot, 'register'), { error: /401002/, attributes: { 'error.type': 'refused', 'zerotouch.code': 401002 } });
  t.match(spanOf(boot, 'register with DPS'), { error: /401002/ });
  t.equal(spanOf(boot, 'connect to DPS')?.error, undefined);
  t.match(spanOf(boot, 'cool down'), { attributes: { 'zerotouch.wait_ms': Number } });
});

/** DPS answers 500 to the first two devices that register. */
function failingTwice(): Behaviour {
  let left = 2;
  return {
    name: 'failing twice',
    async dps({ kind }, next, { refuse }) {
      return kind === 'register' && left-- > 0 ? refuse(dpsErrors.internal, 'the test answered') : next();
    },
  };
}

t.test('each attempt is told, and the wait between them', async (t) => {
  const { cloud, endpoint, image } = await bench(t);
  cloud.use(failingTwice());
  const { trees } = await tracesOf(t, async (trace) => {
    const policy = { baseMs: 10, floorMs: 1 };
    const device = await powerOn({ flash: image('k-000001'), client: 'wire', endpoint, trace, policy });
    await device.stop();
  });
  const boot = trees[0] as SpanTree;
  const attempts = boot.children.filter(({ name }) => name === 'register with DPS');
  const waits = boot.children.filter(({ name }) => name === 'back off');
  t.strictSame(
    attempts.map(({ attributes }) => attributes['zerotouch.attempt']),
    [1, 2, 3],
  );
  t.strictSame(
    attempts.map(({ error }) => error !== undefined),
    [true, true, false],
  );
  t.match(
    waits.map(({ attributes }) => attributes),
    [{ 'zerotouch.wait_ms': Number }, { 'zerotouch.wait_ms': Number }],
  );
  t.match(boot, { error: undefined, attributes: { 'zerotouch.registration_attempts': 3 } });
  t.match(
    boot.events.map(({ name, attributes }) => [name, attributes['error.type']]),
    [
      ['failure', 'unavailable'],
      ['failure', 'unavailable'],
    ],
  );
});

t.test('a collector that refuses, or says no, costs a line and nothing else', async (t) => {
  const { endpoint, image } = await bench(t);
  const server = createServer((_, response) => response.writeHead(403).end());
  t.teardown(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  for (const [dead, why] of [
    [1, /ECONNREFUSED/],
    [port, /Forbidden/],
  ] as const) {
    const said: string[] = [];
    {
      await using tracing = openTracing(tracePlaceOf(`http://127.0.0.1:${dead}`), {
        service: 'test',
        onTrouble: (detail) => said.push(detail),
        withinMs: 300,
      });
      const device = await powerOn({ flash: image('k-000001'), client: 'wire', endpoint, trace: tracing.api });
      t.equal(device.state.state, 'running');
      await device.stop();
    }
    t.equal(said.length, 1, 'said once');
    t.match(said[0], why);
  }
});

t.test('a collector that never answers holds nobody up: the device runs while its batch is on the way', async (t) => {
  const { endpoint, image } = await bench(t);
  const sockets = new Set<Socket>();
  const server = createServer(() => undefined).on('connection', (socket: Socket) => sockets.add(socket));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const said: string[] = [];
  const { port } = server.address() as AddressInfo;
  const tracing = openTracing(tracePlaceOf(`http://127.0.0.1:${port}`), {
    service: 'test',
    onTrouble: (detail) => said.push(detail),
    withinMs: 300,
  });
  const device = await powerOn({ flash: image('k-000001'), client: 'wire', endpoint, trace: tracing.api });
  await device.stop();
  await tracing[Symbol.asyncDispose]();
  t.equal(said.length, 1, 'said once, and given up');
});

t.test('a file holds OTLP JSON, a batch a line, and is emptied first', async (t) => {
  const { endpoint, image } = await bench(t);
  const file = join(dirname(image('')), 'traces.jsonl');
  writeFileSync(file, 'of yesterday\n');
  {
    await using tracing = openTracing(tracePlaceOf(file), { service: 'test', onTrouble: t.fail });
    const device = await powerOn({ flash: image('k-000001'), client: 'wire', endpoint, trace: tracing.api });
    await device.stop();
  }
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const [boot] = treesOf(lines.map((line) => JSON.parse(line) as OtlpRequest));
  t.equal(boot?.name, 'boot');
});

t.test('places that are none', async (t) => {
  const dir = t.testdir();
  for (const text of ['ftp://collector', 'http://', 'http://user:secret@collector:4318', join(dir, 'no', 'folder')]) {
    t.throws(() => tracePlaceOf(text), { code: 'BAD_TRACE', message: /^(?!.*secret)/ }, text);
  }
  t.strictSame(tracePlaceOf('http://collector:4318'), { url: 'http://collector:4318/v1/traces' });
  t.strictSame(tracePlaceOf('https://collector/otlp/traces'), { url: 'https://collector/otlp/traces' });
});
