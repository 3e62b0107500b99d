import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { z } from 'zod';
import { readJson, type Turn, type Workload } from './workload.js';

const model = z.strictObject({
  version: z.string(),
  /** Vibration of a machine in good order, mm/s. */
  mean: z.number(),
  deviation: z.number().positive(),
  /** How much one reading counts, 0 to 1. */
  weight: z.number().positive().max(1),
  /** Deviations from the mean at which a person should watch, and at which maintenance is due. */
  watchAt: z.number().positive(),
  dueAt: z.number().positive(),
});
const desiredSchema = z.object({
  telemetryIntervalSeconds: z.number().positive().default(10),
  model: model
    .refine(({ watchAt, dueAt }) => watchAt < dueAt, { error: 'watchAt is not below dueAt' })
    .default({ version: 'factory', mean: 1, deviation: 0.25, weight: 0.2, watchAt: 2, dueAt: 4 }),
});

type State = 'good' | 'watch' | 'due';

/**
 * Predictive maintenance: how far the vibration of a machine has moved from that of one in good order, smoothed (an exponentially weighted mean of its
 * z-score), by a model whose parameters the cloud sends: a better model reaches every device as a change of configuration.
 *
 * Desired: `telemetryIntervalSeconds`, `model`. Telemetry: `{ vibration, score }`. Reported: `maintenance`. Commands: `runDiagnostic`,
 * `maintenanceDone`.
 */
export class PredictiveMaintenance implements Workload {
  readonly #sensor: () => number;
  #desired = desiredSchema.parse({});
  #score = 0;
  #readings = 0;
  #told: string | undefined;

  /** @param sensor vibration, mm/s */
  constructor(sensor: () => number) {
    this.#sensor = sensor;
  }

  readonly methods = {
    runDiagnostic: (): JsonObject => {
      const values = Array.from({ length: 16 }, this.#sensor);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return { readings: values.length, mean, spread: Math.max(...values) - Math.min(...values), state: this.#state(), score: this.#score };
    },
    maintenanceDone: (): JsonObject => {
      this.#score = 0;
      this.#readings = 0;
      return { state: this.#state() };
    },
  };

  get intervalSeconds(): number {
    return this.#desired.telemetryIntervalSeconds;
  }

  configure(desired: JsonObject): void {
    this.#desired = readJson(desiredSchema, desired);
  }

  turn(): Turn {
    const { mean, deviation, weight, version } = this.#desired.model;
    const vibration = this.#sensor();
    const distance = Math.abs(vibration - mean) / deviation;
    this.#score = this.#readings++ === 0 ? distance : weight * distance + (1 - weight) * this.#score;
    const state = { state: this.#state(), model: version };
    const text = JSON.stringify(state);
    const isNew = text !== this.#told;
    this.#told = text;
    return {
      message: { vibration, score: this.#score },
      ...(isNew ? { reported: { maintenance: { ...state, score: this.#score } } } : {}),
    };
  }

  #state(): State {
    const { watchAt, dueAt } = this.#desired.model;
    if (this.#score >= dueAt) return 'due';
    return this.#score >= watchAt ? 'watch' : 'good';
  }
}
