import { type AssignmentEffect, type AssignmentEvent, type AssignmentState, assignmentTable } from './assignment.js';
import { type ConfigEffect, type ConfigEvent, type ConfigState, configTable } from './config.js';
import type { FailureKind } from './ports.js';
import { type PowerEffect, type PowerEvent, type PowerState, powerTable } from './power.js';
import { backOffMs, coolDownMs } from './retry.js';
import { type SessionEffect, type SessionEvent, type SessionState, sessionTable } from './session.js';
import {
  beginSession,
  noAttempts,
  type OpenRegisters,
  type Registers,
  type StepContext,
  weighConfig,
  weighDps,
  weighHub,
  weighLoss,
} from './weigh.js';

/** Everything the machine remembers between two events: a state a table, and numbers. */
export interface Machine {
  readonly power: PowerState;
  readonly assignment: AssignmentState;
  readonly session: SessionState;
  readonly config: ConfigState;
  readonly registers: Registers;
}

/** Something that happened, as the driver tells the machine. Failures come with their kind; the machine weighs them. */
export type MachineEvent =
  | { readonly table: 'power'; readonly event: PowerEvent }
  | { readonly table: 'assignment'; readonly event: Exclude<AssignmentEvent, 'refused' | 'throttled' | 'failed'> }
  | { readonly table: 'session'; readonly event: Exclude<SessionEvent, 'refused' | 'failed' | 'exhausted'> }
  | { readonly table: 'config'; readonly event: Exclude<ConfigEvent, 'failed' | 'rejected'> }
  | { readonly table: 'assignment' | 'session' | 'config'; readonly failure: FailureKind; readonly retryAfterMs: number };

/** Something to carry out. A wait raises the event `due` of its table when it is over. */
export type MachineEffect =
  | { readonly do: 'mount' | 'identify' | 'set-clock' | 'recall' | 'arrive' | 'halt' | 'switch-off' }
  | { readonly do: 'register' | 'commit-assignment' | 'cancel-assignment' }
  | { readonly do: 'connect' | 'disconnect' }
  | { readonly do: 'pull' | 'apply' | 'commit-config' | 'report' | 'cancel-config' }
  | { readonly do: 'wait'; readonly table: 'assignment' | 'session' | 'config'; readonly ms: number };

/** A device without power. */
export const poweredOff: Machine = { power: 'off', assignment: 'idle', session: 'idle', config: 'idle', registers: noAttempts };

/**
 * One step of the whole device: pure. The event goes to its table; effects that concern another table are passed on there; what is left is
 * for the driver to carry out, in order.
 */
export function step(machine: Machine, event: MachineEvent, context: StepContext): readonly [Machine, MachineEffect[]] {
  const composer = new Composer(machine, context);
  composer.take(event);
  return [composer.machine(), composer.effects];
}

/** One step's scratch pad: the states and registers as they change, and the effects as they come up. */
class Composer {
  readonly effects: MachineEffect[] = [];
  #power: PowerState;
  #assignment: AssignmentState;
  #session: SessionState;
  #config: ConfigState;
  readonly #registers: OpenRegisters;
  readonly #context: StepContext;
  #retryAfterMs = 0;

  constructor(machine: Machine, context: StepContext) {
    this.#power = machine.power;
    this.#assignment = machine.assignment;
    this.#session = machine.session;
    this.#config = machine.config;
    this.#registers = { ...machine.registers };
    this.#context = context;
  }

  machine(): Machine {
    return {
      power: this.#power,
      assignment: this.#assignment,
      session: this.#session,
      config: this.#config,
      registers: { ...this.#registers },
    };
  }

  take(event: MachineEvent): void {
    if ('failure' in event) {
      this.#retryAfterMs = event.retryAfterMs;
      if (event.table === 'assignment') this.#takeAssignment(weighDps(this.#registers, event.failure, this.#context));
      else if (event.table === 'session') this.#takeSession(weighHub(this.#registers, event.failure, this.#context));
      else this.#takeConfig(weighConfig(this.#registers, event.failure, this.#config));
    } else if (event.table === 'power') this.#takePower(event.event);
    else if (event.table === 'assignment') this.#takeAssignment(event.event);
    else if (event.table === 'session') this.#takeSession(event.event === 'lost' ? this.#loss() : event.event);
    else this.#takeConfig(event.event);
  }

  #takePower(event: PowerEvent): void {
    const [next, effect] = powerTable[this.#power][event];
    this.#power = next;
    if (effect !== 'none') this.#onPower(effect);
  }

  #onPower(effect: PowerEffect): void {
    switch (effect) {
      case 'begin-assignment':
        this.#registers.asked = 1;
        this.#takeAssignment('begin');
        return;
      case 'reassign': {
        // DPS was asked already and sent us to a hub that does not let us in: asking at once would be a fast loop.
        const event = this.#registers.asked === 1 ? 'again' : 'begin';
        this.#registers.asked = 1;
        this.#registers.dpsAttempts += event === 'again' ? 1 : 0;
        this.#takeAssignment(event);
        return;
      }
      case 'begin-session':
        Object.assign(this.#registers, { hubAttempts: 0, hubAmbiguous: 0, hubDeadline: 0, hubSince: 0 });
        this.#takeSession('begin');
        return;
      case 'begin-config':
        Object.assign(this.#registers, { configAttempts: 0, configStale: 0 });
        this.#takeConfig('begin');
        return;
      case 'stop-config':
        this.#takeConfig('stop');
        return;
      case 'switch-off':
        this.#takeConfig('stop');
        this.#takeSession('stop');
        this.#takeAssignment('stop');
        Object.assign(this.#registers, noAttempts);
        break;
      default:
        break;
    }
    this.effects.push({ do: effect });
  }

  #takeAssignment(event: AssignmentEvent): void {
    const [next, effect] = assignmentTable[this.#assignment][event];
    this.#assignment = next;
    if (effect !== 'none') this.#onAssignment(effect);
  }

  #onAssignment(effect: AssignmentEffect): void {
    switch (effect) {
      case 'hand-over':
        this.#takePower('assigned');
        return;
      case 'wait':
        this.#wait('assignment', this.#backOff(this.#registers.dpsAttempts));
        return;
      case 'wait-long':
        this.#registers.dpsAmbiguous = 0;
        this.#wait('assignment', coolDownMs(this.#context.policy, this.#context.unit()));
        return;
      case 'register':
        this.effects.push({ do: 'register' });
        return;
      case 'commit':
        this.#registers.dpsAmbiguous = 0;
        this.effects.push({ do: 'commit-assignment' });
        return;
      case 'cancel':
        this.effects.push({ do: 'cancel-assignment' });
    }
  }

  #takeSession(event: SessionEvent): void {
    const [next, effect] = sessionTable[this.#session][event];
    this.#session = next;
    if (effect !== 'none') this.#onSession(effect);
  }

  #onSession(effect: SessionEffect): void {
    switch (effect) {
      case 'hand-over':
        beginSession(this.#registers, this.#context);
        this.#takePower('hub-connected');
        return;
      case 'lose':
        this.#takePower('hub-lost');
        this.effects.push({ do: 'disconnect' });
        this.#wait('session', this.#backOff(this.#registers.hubAttempts));
        return;
      case 'wait':
        this.#wait('session', this.#backOff(this.#registers.hubAttempts));
        return;
      case 'leave':
        this.#takePower('hub-lost');
        this.effects.push({ do: 'disconnect' });
        this.#takePower('hub-abandoned');
        return;
      case 'give-up':
        this.#takePower('hub-abandoned');
        return;
      case 'connect':
      case 'disconnect':
        this.effects.push({ do: effect });
    }
  }

  #takeConfig(event: ConfigEvent): void {
    const [next, effect] = configTable[this.#config][event];
    this.#config = next;
    if (effect !== 'none') this.#onConfig(effect);
  }

  #onConfig(effect: ConfigEffect): void {
    switch (effect) {
      case 'note':
        this.#registers.configStale = 1;
        return;
      case 'settle':
        this.#registers.configAttempts = 0;
        this.#takePower('configured');
        if (this.#registers.configStale === 1) {
          this.#registers.configStale = 0;
          this.#takeConfig('begin');
        }
        return;
      case 'wait':
        this.#wait('config', this.#backOff(this.#registers.configAttempts));
        return;
      case 'commit':
        this.effects.push({ do: 'commit-config' });
        return;
      case 'cancel':
        this.effects.push({ do: 'cancel-config' });
        return;
      case 'pull':
        // What was missed until now is in the twin that is about to be read.
        this.#registers.configStale = 0;
        this.effects.push({ do: 'pull' });
        return;
      case 'apply':
      case 'report':
        this.effects.push({ do: effect });
    }
  }

  // A loss that finds no session to lose is late, and must not be counted.
  #loss(): SessionEvent {
    return this.#session === 'connected' ? weighLoss(this.#registers, this.#context) : 'lost';
  }

  #backOff(attempts: number): number {
    return backOffMs(this.#context.policy, Math.max(1, attempts), this.#context.unit(), this.#retryAfterMs);
  }

  #wait(table: 'assignment' | 'session' | 'config', ms: number): void {
    this.effects.push({ do: 'wait', table, ms });
  }
}
