import * as otel from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import {
  ATTR_ERROR_TYPE,
  ATTR_NETWORK_PEER_ADDRESS,
  ATTR_NETWORK_PEER_PORT,
  ATTR_NETWORK_PROTOCOL_NAME,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from '@opentelemetry/semantic-conventions';
import { ATTR_DEVICE_ID } from '@opentelemetry/semantic-conventions/incubating';
import type { Driver } from '@zerotouch/firmware-sim/boot/driver';
import type { DriverPorts } from '@zerotouch/firmware-sim/boot/driver-ports';
import { addressAttributes, deviceAttributes, failureAttributes } from '@zerotouch/firmware-sim/trace/attributes';
import { BootTrace } from '@zerotouch/firmware-sim/trace/boot-trace';
import { type OpenTelemetry, SPAN_KIND, STATUS_ERROR } from '@zerotouch/firmware-sim/trace/open-telemetry';
import type { Clock } from '@zerotouch/foundation/clock';
import t from 'tap';
import { Bench, identity } from '../boot/bench.js';

/** A bench whose device is traced with the official SDK. */
function traced(bench: Bench, overrides: Partial<DriverPorts> = {}) {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const application = provider.getTracer('application').startSpan('start up');
  const around = otel.trace.setSpan(otel.ROOT_CONTEXT, application);
  // As an application hands it in, but for the provider, which is the test's own.
  const api: OpenTelemetry = {
    ...otel,
    trace: { getTracer: (name, version) => provider.getTracer(name, version) as never, setSpan: otel.trace.setSpan as never },
    context: { active: () => around },
  };
  const trace = new BootTrace({ api, clock: bench.clock, client: 'wire', transport: 'mqtt', device: () => driver });
  const driver: Driver = bench.driver(overrides, (watcher) => trace.between(watcher));
  const spans = (): ReadableSpan[] => exporter.getFinishedSpans();
  const named = (name: string): ReadableSpan[] => spans().filter((span) => span.name === name);
  return { driver, spans, named, application };
}

const ms = ([seconds, nanos]: [number, number]): number => seconds * 1000 + nanos / 1e6;
const runs = (bench: Bench): boolean => bench.states.at(-1) === 'running';

t.test('the package itself is what is asked for', async (t) => {
  const api: OpenTelemetry = otel;
  t.type(api.trace.getTracer, 'function');
  t.equal(SPAN_KIND.internal, otel.SpanKind.INTERNAL);
  t.equal(SPAN_KIND.client, otel.SpanKind.CLIENT);
  t.equal(STATUS_ERROR, otel.SpanStatusCode.ERROR);
});

t.test('attributes have the names of the semantic conventions where there are such', async (t) => {
  const endpoint = { dpsHost: 'dps.example', dpsPort: 8883, gateway: { host: 'localhost', port: 1883 }, ports: { https: 4443 } };
  const device = { identity, assignment: { hub: 'hub.example', deviceId: 'thermo' }, endpoint };
  t.match(addressAttributes('dps', device, 'mqtt'), {
    [ATTR_SERVER_ADDRESS]: 'dps.example',
    [ATTR_SERVER_PORT]: 8883,
    [ATTR_NETWORK_PROTOCOL_NAME]: 'mqtt',
    [ATTR_NETWORK_PEER_ADDRESS]: undefined,
  });
  t.match(addressAttributes('hub', device, 'mqtt-ws'), {
    [ATTR_SERVER_ADDRESS]: 'hub.example',
    [ATTR_NETWORK_PEER_ADDRESS]: 'localhost',
    [ATTR_NETWORK_PEER_PORT]: 4443,
    [ATTR_NETWORK_PROTOCOL_NAME]: 'mqtt',
  });
  t.match(addressAttributes('dps', device, 'http'), { [ATTR_NETWORK_PROTOCOL_NAME]: 'http', [ATTR_SERVER_PORT]: 4443 });
  t.match(addressAttributes('hub', device, 'http'), { [ATTR_NETWORK_PROTOCOL_NAME]: 'mqtt', [ATTR_SERVER_PORT]: 1883 });
  t.match(deviceAttributes(device), { [ATTR_DEVICE_ID]: 'thermo' });
  t.match(failureAttributes({ outcome: 'throttled', detail: '', retryAfterMs: 7 }), {
    [ATTR_ERROR_TYPE]: 'throttled',
    'zerotouch.retry_after_ms': 7,
  });
});

t.test('a boot is part of what the application does; the way back after a loss is a trace of its own', async (t) => {
  const bench = new Bench();
  const { driver, named, application } = traced(bench);
  driver.powerOn();
  await bench.untilInTime(() => runs(bench));
  t.equal(named('boot')[0]?.spanContext().traceId, application.spanContext().traceId);
  bench.hubAnswers = [{ outcome: 'unreachable', detail: 'no route' }, 'session'];
  bench.session.lose({ outcome: 'dropped', detail: 'the line went dead' });
  await bench.untilInTime(() => named('reconnect').length > 0);
  const [back] = named('reconnect');
  t.not(back?.spanContext().traceId, application.spanContext().traceId);
  t.equal(back?.parentSpanContext, undefined);
  t.match(
    back?.events.map(({ name, attributes }) => [name, attributes?.['error.type']]),
    [
      ['connection lost', 'dropped'],
      ['failure', 'unreachable'],
    ],
  );
  const waits = named('back off');
  t.equal(waits.length, 2);
  for (const { duration, attributes } of waits) t.equal(Math.round(ms(duration)), Math.round(Number(attributes['zerotouch.wait_ms'])));
  t.match(
    named('connect to hub').map(({ status }) => status),
    [{ code: 0 }, { code: 2, message: 'no route' }, { code: 0 }],
  );
  await driver.powerOff();
});

t.test('a configuration that cannot be applied is told where that was', async (t) => {
  const bench = new Bench();
  bench.applyError = 'no such sensor';
  const { driver, named } = traced(bench);
  driver.powerOn();
  await bench.untilInTime(() => runs(bench));
  t.match(named('apply configuration')[0], {
    status: { code: 2, message: 'no such sensor' },
    attributes: { 'error.type': 'apply_failed' },
  });
  t.equal(named('roll back configuration').length, 1);
  t.equal(named('boot')[0]?.status.code, 0, 'the device runs');
  await driver.powerOff();
});

t.test('a device that learns the time while it boots is told of in the right time from its first span on', async (t) => {
  const bench = new Bench();
  const right = bench.clock.now();
  let known = false;
  const clock: Clock = {
    now: () => (known ? bench.clock.now() : 0),
    monotonic: () => bench.clock.monotonic(),
    wait: (ms, signal) => bench.clock.wait(ms, signal),
  };
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const api: OpenTelemetry = {
    trace: { getTracer: (name) => provider.getTracer(name) as never, setSpan: otel.trace.setSpan as never },
    context: { active: () => otel.ROOT_CONTEXT },
  };
  const trace = new BootTrace({ api, clock, client: 'wire', transport: 'mqtt', device: () => driver });
  const time = {
    set: async () => {
      known = true;
      return 'clock-set' as const;
    },
  };
  const driver: Driver = bench.driver({ time }, (watcher) => trace.between(watcher));
  driver.powerOn();
  await bench.untilInTime(() => runs(bench));
  for (const { name, startTime } of exporter.getFinishedSpans()) t.ok(ms(startTime) >= right, name);
  t.equal(exporter.getFinishedSpans().at(-1)?.name, 'boot');
  await driver.powerOff();
});

t.test('an image that cannot be used, and power that goes, end the trace with why', async (t) => {
  const halted = new Bench();
  halted.identityError = new Error('nothing was burnt');
  const first = traced(halted);
  first.driver.powerOn();
  await halted.untilInTime(() => first.named('boot').length > 0);
  t.match(first.named('boot')[0], {
    status: { code: 2, message: /nothing was burnt/ },
    attributes: { 'zerotouch.state': 'halted', 'error.type': 'Error' },
  });
  t.match(first.named('read identity')[0], { status: { code: 2 } });

  const cut = new Bench();
  cut.dpsAnswers = ['silence'];
  const second = traced(cut);
  second.driver.powerOn();
  await cut.untilInTime(() => cut.states.at(-1) === 'waiting');
  await second.driver.powerOff();
  t.match(second.named('boot')[0], { status: { code: 2, message: /waiting/ }, attributes: { 'zerotouch.state': 'waiting' } });
  t.equal(second.named('register with DPS').length, 1, 'what was under way is told too');
});

t.test('every poll is told', async (t) => {
  const bench = new Bench();
  const { driver, named } = traced(bench, {
    dps: {
      async register(_request, progress) {
        for (const sign of ['connected', 'assigning', 'polling', 'assigning', 'polling', 'assigning', 'polling'] as const) progress(sign);
        return { outcome: 'assigned', hub: 'hub.example', deviceId: 'thermo' };
      },
    },
  });
  driver.powerOn();
  await bench.untilInTime(() => runs(bench));
  const [wait] = named('wait for assignment');
  t.equal(named('poll').length, 3);
  for (const poll of named('poll')) t.equal(poll.parentSpanContext?.spanId, wait?.spanContext().spanId);
  await driver.powerOff();
});
