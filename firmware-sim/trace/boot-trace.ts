import type { Clock } from '@zerotouch/foundation/clock';
import { isFault } from '@zerotouch/foundation/fault';
import type { DriverWatcher } from '../boot/driver-ports.js';
import type { DpsProgress, Failure } from '../boot/ports.js';
import { type DeviceState, deviceState } from '../boot/state.js';
import type { TransportName } from '../transport/transport-names.js';
import { addressAttributes, deviceAttributes, failureAttributes, type TracedDevice } from './attributes.js';
import type { OpenTelemetry } from './open-telemetry.js';
import { Step, type StepTeller } from './step.js';
import { restingStates, shapeOf, timelessStates } from './steps.js';

/** How a device is traced. */
export interface TraceOptions {
  /** `@opentelemetry/api`, or what is like it. */
  readonly api: OpenTelemetry;
  readonly clock: Clock;
  readonly client: string;
  readonly transport: TransportName;
  readonly device: () => TracedDevice;
}

/** Name of the instrumentation. */
const TRACER = 'zerotouch';

/**
 * A device's boots as OpenTelemetry traces, made of what the boot machine tells: a span a state, those of one attempt to register under a span of
 * their own, the polls under the wait that they belong to, a back-off with its wait. One trace from power on to `running`, and one from each
 * loss until it is running again. It steers nothing, and no secret is in it: failures and faults hold none.
 */
export class BootTrace {
  readonly #options: TraceOptions;
  readonly #teller: StepTeller;
  readonly #held: [step: Step, endedAt: number][] = [];
  /** Milliseconds from the monotonic clock to 1970, as soon as the device knows the time. */
  #epoch: number | undefined;
  #whole: Step | undefined;
  #attempt: Step | undefined;
  #step: Step | undefined;
  #poll: Step | undefined;
  #state: DeviceState | undefined;
  #attempts = 0;
  /** What ended a session that stood. */
  #loss: Failure | undefined;
  #lastProblem: { readonly type: string; readonly message: string } | undefined;

  constructor(options: TraceOptions) {
    this.#options = options;
    this.#teller = {
      api: options.api,
      tracer: options.api.trace.getTracer(TRACER),
      since1970: (monotonic) => monotonic + (this.#epoch ?? 0),
    };
  }

  /** Hears what a driver tells, before `watcher` does. */
  between(watcher: DriverWatcher): DriverWatcher {
    return {
      ...watcher,
      stepped: (machine) => {
        this.#entered(deviceState(machine));
        watcher.stepped?.(machine);
      },
      failed: (during, failure) => {
        this.#failed(during, failure);
        watcher.failed?.(during, failure);
      },
      waiting: (table, ms) => {
        this.#step?.set({ 'zerotouch.wait_ms': ms });
        watcher.waiting?.(table, ms);
      },
      signed: (sign) => {
        this.#signed(sign);
        watcher.signed?.(sign);
      },
      unapplied: (problem) => {
        this.#problem('apply_failed', problem);
        watcher.unapplied?.(problem);
      },
      fault: (during, fault) => {
        this.#problem(isFault(fault) ? fault.code : fault.name, `when ${during}: ${fault.message}`);
        watcher.fault?.(during, fault);
      },
    };
  }

  #entered(entered: DeviceState): void {
    const before = this.#state;
    if (before?.table === entered.table && before.state === entered.state) return;
    this.#state = entered;
    const now = this.#options.clock.monotonic();
    this.#leave(now);
    const shape = shapeOf(entered);
    if (shape.isOfAttempt !== true) this.#endAttempt(now);
    if (!timelessStates.has(entered.state)) this.#timeKnown();
    if (restingStates.has(entered.state)) {
      // Who gave up is switched off, and that is not what anybody wants to know.
      this.#endWhole((entered.state === 'off' ? before : entered)?.state ?? 'off', now);
      return;
    }
    this.#whole ??= this.#begin(entered, now);
    if (shape.isOfAttempt === true) this.#attempt ??= this.#beginAttempt(now);
    this.#step = this.#open(shape.name, now, { parent: this.#attempt ?? this.#whole, isCall: shape.asks !== undefined });
    if (shape.asks !== undefined) this.#step.set(addressAttributes(shape.asks, this.#options.device(), this.#options.transport));
  }

  /** A power-on is part of whatever the program is doing; what comes later happens by itself. */
  #begin({ state }: DeviceState, now: number): Step {
    const isBoot = state === 'mounting';
    const whole = this.#open(isBoot ? 'boot' : 'reconnect', now, { isRoot: !isBoot });
    if (this.#loss !== undefined) whole.note('connection lost', failureAttributes(this.#loss), now);
    this.#loss = undefined;
    this.#attempts = 0;
    this.#lastProblem = undefined;
    return whole;
  }

  #beginAttempt(now: number): Step {
    this.#attempts += 1;
    const attempt = this.#open('register with DPS', now, { parent: this.#whole });
    attempt.set({ 'zerotouch.attempt': this.#attempts });
    return attempt;
  }

  #leave(now: number): void {
    this.#endPoll(now);
    if (this.#step !== undefined) this.#tell(this.#step, now);
    this.#step = undefined;
  }

  #endAttempt(now: number): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt === undefined) return;
    const { assignment } = this.#options.device();
    if (attempt.problem === undefined) attempt.set({ 'zerotouch.hub': assignment?.hub });
    this.#tell(attempt, now);
  }

  #endWhole(state: string, now: number): void {
    const whole = this.#whole;
    this.#whole = undefined;
    if (whole === undefined) return;
    const { client, transport, device } = this.#options;
    whole.set({
      ...deviceAttributes(device()),
      'zerotouch.client': client,
      'zerotouch.transport': transport,
      'zerotouch.state': state,
      'zerotouch.registration_attempts': this.#attempts,
    });
    if (state !== 'running') {
      const { type, message } = this.#lastProblem ?? { type: state, message: `${state} before it was running` };
      whole.fail(type, message);
    }
    this.#tell(whole, now);
  }

  #signed(sign: DpsProgress): void {
    const now = this.#options.clock.monotonic();
    this.#endPoll(now);
    if (sign !== 'polling') return;
    this.#poll = this.#open('poll', now, { parent: this.#step, isCall: true });
    this.#poll.set(addressAttributes('dps', this.#options.device(), this.#options.transport));
  }

  #endPoll(now: number): void {
    const poll = this.#poll;
    this.#poll = undefined;
    if (poll !== undefined) this.#tell(poll, now);
  }

  #failed(during: string, failure: Failure): void {
    if (this.#whole === undefined) {
      this.#loss = failure;
      return;
    }
    const now = this.#options.clock.monotonic();
    const attributes = failureAttributes(failure);
    for (const step of [this.#poll, this.#step, this.#attempt]) {
      step?.set(attributes);
      step?.fail(failure.outcome, failure.detail);
    }
    this.#whole.note('failure', { 'zerotouch.during': during, ...attributes, 'error.message': failure.detail }, now);
    this.#lastProblem = { type: failure.outcome, message: `${failure.outcome} when ${during}: ${failure.detail}` };
  }

  #problem(type: string, message: string): void {
    this.#step?.fail(type, message);
    this.#lastProblem = { type, message };
  }

  #open(name: string, at: number, options: { parent?: Step | undefined; isCall?: boolean; isRoot?: boolean }): Step {
    return new Step(name, at, this.#options.api.context.active(), options);
  }

  #timeKnown(): void {
    const { clock } = this.#options;
    if (this.#epoch !== undefined) return;
    this.#epoch = clock.now() - clock.monotonic();
    for (const [step, endedAt] of this.#held.splice(0)) step.tell(this.#teller, endedAt);
  }

  #tell(step: Step, endedAt: number): void {
    if (this.#epoch === undefined) this.#held.push([step, endedAt]);
    else step.tell(this.#teller, endedAt);
  }
}
