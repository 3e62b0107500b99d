import { appendFile } from 'node:fs/promises';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { SpanExporter } from '@opentelemetry/sdk-trace-base';

/** Results as `@opentelemetry/core` numbers them. */
const [SUCCESS, FAILED] = [0, 1];

type Done = Parameters<SpanExporter['export']>[1];

/**
 * Appends each batch as one line of OTLP JSON, the format of the OpenTelemetry Collector's file exporter and receiver. Lines of several processes
 * never mix: each is one write at the end of the file.
 */
export class FileExporter implements SpanExporter {
  readonly #file: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: string) {
    this.#file = file;
  }

  export(spans: Parameters<SpanExporter['export']>[0], done: Done): void {
    const line = Buffer.concat([JsonTraceSerializer.serializeRequest(spans) ?? Buffer.alloc(0), Buffer.from('\n')]);
    this.#writing = this.#writing
      .then(() => appendFile(this.#file, line))
      .then(
        () => done({ code: SUCCESS }),
        (error: Error) => done({ code: FAILED, error }),
      );
  }

  forceFlush(): Promise<void> {
    return this.#writing;
  }

  shutdown(): Promise<void> {
    return this.#writing;
  }
}
