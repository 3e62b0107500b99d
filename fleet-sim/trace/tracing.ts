import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import type { OpenTelemetry } from '@zerotouch/firmware-sim/trace/open-telemetry';
import { FileExporter } from './file-exporter.js';
import { SaidOnce } from './said-once.js';
import type { TracePlace } from './trace-place.js';

/** How long a collector may take for one batch, its retries included, milliseconds, unless told otherwise: so long does whoever ends wait for one that is dead. */
const EXPORT_MS = 3_000;
/** How often what is ready goes out, milliseconds. */
const EVERY_MS = 1_000;
/** Spans that wait for a slow collector at most; more are dropped, and the devices do not notice. */
const MOST_WAITING = 20_000;

/** Traces on their way to somebody. */
export interface Tracing extends AsyncDisposable {
  /** To be handed to devices. */
  readonly api: OpenTelemetry;
}

/**
 * Sends traces as OTLP: JSON lines in a file, or HTTP to a collector, whose headers (`OTEL_EXPORTER_OTLP_HEADERS`) and certificates are taken from
 * OpenTelemetry's own environment variables. Ends when it is disposed of, with everything sent that could be.
 * @param withinMs how long one batch may take, retries included
 * @param onTrouble called once when something cannot be sent; nothing else comes of that
 */
export function openTracing(
  place: TracePlace,
  {
    service,
    version,
    onTrouble,
    withinMs = EXPORT_MS,
  }: { service: string; version?: string; onTrouble: (detail: string) => void; withinMs?: number },
): Tracing {
  const inner: SpanExporter =
    'url' in place ? new OTLPTraceExporter({ url: place.url, timeoutMillis: withinMs }) : new FileExporter(place.file);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      [ATTR_SERVICE_NAME]: service,
      ...(version === undefined ? {} : { [ATTR_SERVICE_VERSION]: version }),
    }),
    spanProcessors: [
      new BatchSpanProcessor(new SaidOnce(inner, onTrouble), {
        scheduledDelayMillis: EVERY_MS,
        exportTimeoutMillis: 2 * withinMs,
        maxQueueSize: MOST_WAITING,
      }),
    ],
  });
  return {
    api: {
      trace: {
        getTracer: (name, version) => provider.getTracer(name, version) as never,
        setSpan: (context, span) => trace.setSpan(context as never, span as never),
      },
      context: { active: () => ROOT_CONTEXT },
    },
    [Symbol.asyncDispose]: () => provider.shutdown(),
  };
}
