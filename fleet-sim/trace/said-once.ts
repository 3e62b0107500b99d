import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';

/** `ExportResultCode` of `@opentelemetry/core`. */
const SUCCESS = 0;

type Result = Parameters<Parameters<SpanExporter['export']>[1]>[0];

/** An exporter whose troubles are said once, to whoever listens, and are nobody else's: traces are lost before a device is held up. */
export class SaidOnce implements SpanExporter {
  readonly #inner: SpanExporter;
  readonly #say: (detail: string) => void;
  #said = false;

  constructor(inner: SpanExporter, say: (detail: string) => void) {
    this.#inner = inner;
    this.#say = say;
  }

  export(spans: ReadableSpan[], done: (result: Result) => void): void {
    this.#inner.export(spans, ({ code, error }) => {
      if (code !== SUCCESS && !this.#said) {
        this.#said = true;
        this.#say(error?.message || 'no answer');
      }
      done({ code: SUCCESS });
    });
  }

  async forceFlush(): Promise<void> {
    await this.#inner.forceFlush?.();
  }

  async shutdown(): Promise<void> {
    await this.#inner.shutdown();
  }
}
