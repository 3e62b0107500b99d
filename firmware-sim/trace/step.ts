import {
  type Attributes,
  type OpenTelemetry,
  SPAN_KIND,
  type Span,
  STATUS_ERROR,
  type TraceContext,
  type Tracer,
} from './open-telemetry.js';

/** Where steps are told. Times are milliseconds since 1970. */
export interface StepTeller {
  readonly api: OpenTelemetry;
  readonly tracer: Tracer;
  /** A monotonic time as one since 1970. */
  readonly since1970: (monotonic: number) => number;
}

/** How a step is named and what it is part of. */
export interface StepOptions {
  readonly parent?: Step | undefined;
  /** Somebody else is asked: a client's span. */
  readonly isCall?: boolean;
  /** Begins a trace of its own, whatever it happens in. */
  readonly isRoot?: boolean;
}

/**
 * A stretch of time of a device. Written down first and told when it is over, so that a device which does not know the time yet is not told of
 * in 1970, and tracing costs a boot next to nothing while it lasts.
 */
export class Step {
  readonly name: string;
  readonly #options: StepOptions;
  readonly #startedAt: number;
  readonly #outer: TraceContext;
  readonly #attributes: Record<string, Attributes[string]> = {};
  readonly #events: [name: string, attributes: Attributes, at: number][] = [];
  #problem: string | undefined;
  #span: { readonly span: Span; readonly context: TraceContext } | undefined;

  /** @param startedAt monotonic, milliseconds @param outer what it happens in, where it has no parent */
  constructor(name: string, startedAt: number, outer: TraceContext, options: StepOptions = {}) {
    this.name = name;
    this.#options = options;
    this.#startedAt = startedAt;
    this.#outer = outer;
  }

  get parent(): Step | undefined {
    return this.#options.parent;
  }

  get isCall(): boolean {
    return this.#options.isCall === true;
  }

  /** What went wrong in it, for people. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Attributes that are undefined are left out. */
  set(attributes: Readonly<Record<string, Attributes[string] | undefined>>): void {
    for (const [name, value] of Object.entries(attributes)) if (value !== undefined) this.#attributes[name] = value;
  }

  note(event: string, attributes: Attributes, at: number): void {
    this.#events.push([event, attributes, at]);
  }

  /** It did not succeed. @param type a word of few, for `error.type` */
  fail(type: string, message: string): void {
    this.#problem = message;
    this.set({ 'error.type': type });
  }

  /** Tells it, and first whatever it is part of. @param endedAt monotonic, milliseconds */
  tell(teller: StepTeller, endedAt: number): void {
    const { span } = this.#begun(teller);
    span.setAttributes(this.#attributes);
    for (const [name, attributes, at] of this.#events) span.addEvent(name, attributes, teller.since1970(at));
    if (this.#problem !== undefined) span.setStatus({ code: STATUS_ERROR, message: this.#problem });
    span.end(teller.since1970(endedAt));
  }

  #begun(teller: StepTeller): { readonly span: Span; readonly context: TraceContext } {
    if (this.#span !== undefined) return this.#span;
    const { parent, isRoot = false } = this.#options;
    const around = parent === undefined ? this.#outer : parent.#begun(teller).context;
    const kind = this.isCall ? SPAN_KIND.client : SPAN_KIND.internal;
    const startTime = teller.since1970(this.#startedAt);
    const span = teller.tracer.startSpan(this.name, { kind, startTime, attributes: { ...this.#attributes }, root: isRoot }, around);
    this.#span = { span, context: teller.api.trace.setSpan(around, span) };
    return this.#span;
  }
}
