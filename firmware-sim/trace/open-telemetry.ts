/**
 * What is used of `@opentelemetry/api`, in shapes of our own: whoever wants traces hands that package in (`import * as otel from
 * '@opentelemetry/api'`), and a device that wants none need not have it.
 */
export interface OpenTelemetry {
  readonly trace: {
    getTracer(name: string, version?: string): Tracer;
    setSpan(context: TraceContext, span: Span): TraceContext;
  };
  readonly context: { active(): TraceContext };
}

/** A place in a trace: what a span is a child of. */
export type TraceContext = object;

export type AttributeValue = string | number | boolean;
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface Tracer {
  startSpan(
    name: string,
    options: { readonly kind: number; readonly startTime: number; readonly attributes: Attributes; readonly root: boolean },
    context?: TraceContext,
  ): Span;
}

export interface Span {
  setAttributes(attributes: Attributes): unknown;
  addEvent(name: string, attributes: Attributes, time: number): unknown;
  setStatus(status: { readonly code: number; readonly message: string }): unknown;
  end(time: number): void;
}

/** `SpanKind` of the API. */
export const SPAN_KIND = { internal: 0, client: 2 } as const;
/** `SpanStatusCode.ERROR` of the API. */
export const STATUS_ERROR = 2;
