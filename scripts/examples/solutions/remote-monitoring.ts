import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { z } from 'zod';
import { readJson, type Turn, type Workload } from './workload.js';

const thresholds = z.strictObject({ celsiusHigh: z.number(), celsiusLow: z.number() });
const desiredSchema = z.object({
  telemetryIntervalSeconds: z.number().positive().default(10),
  thresholds: thresholds
    .refine(({ celsiusHigh, celsiusLow }) => celsiusLow < celsiusHigh, { error: 'celsiusLow is not below celsiusHigh' })
    .default({ celsiusHigh: 80, celsiusLow: 70 }),
});
const thresholdCommand = z.strictObject({ celsiusHigh: z.number() });

/**
 * Remote monitoring: measures a temperature and raises an alarm above `celsiusHigh`, which ends below `celsiusLow`, so that a value at the edge does
 * not ring again and again.
 *
 * Desired: `telemetryIntervalSeconds`, `thresholds: { celsiusHigh, celsiusLow }`. Telemetry: `{ celsius, alarm }`. Reported: `monitoring`.
 * Commands: `readNow`, `setThreshold { celsiusHigh }` (until the next configuration).
 */
export class RemoteMonitoring implements Workload {
  readonly #sensor: () => number;
  #desired = desiredSchema.parse({});
  #alarm = false;
  #told: string | undefined;

  /** @param sensor degrees Celsius */
  constructor(sensor: () => number) {
    this.#sensor = sensor;
  }

  readonly methods = {
    readNow: (): JsonObject => ({ celsius: this.#sensor(), alarm: this.#alarm }),
    setThreshold: (payload: unknown): JsonObject => {
      const { celsiusHigh } = readJson(thresholdCommand, payload);
      this.#desired = readJson(desiredSchema, { ...this.#desired, thresholds: { ...this.#desired.thresholds, celsiusHigh } });
      return { thresholds: this.#desired.thresholds };
    },
  };

  get intervalSeconds(): number {
    return this.#desired.telemetryIntervalSeconds;
  }

  configure(desired: JsonObject): void {
    this.#desired = readJson(desiredSchema, desired);
  }

  turn(): Turn {
    const celsius = this.#sensor();
    const { celsiusHigh, celsiusLow } = this.#desired.thresholds;
    this.#alarm = this.#alarm ? celsius >= celsiusLow : celsius > celsiusHigh;
    const state = { alarm: this.#alarm, thresholds: this.#desired.thresholds };
    const text = JSON.stringify(state);
    const isNew = text !== this.#told;
    this.#told = text;
    return { message: { celsius, alarm: this.#alarm }, ...(isNew ? { reported: { monitoring: { ...state, celsius } } } : {}) };
  }
}
