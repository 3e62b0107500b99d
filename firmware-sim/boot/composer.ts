import { type AssignmentEffect, type AssignmentEvent, type AssignmentState, assignmentTable } from './assignment.js';
import { type ConfigEffect, type ConfigEvent, type ConfigState, configTable } from './config.js';
import { type PowerEffect, type PowerEvent, type PowerState, powerTable } from './power.js';
import { budgetWaitMs, coolDownMs, retrySchedule, spend } from './retry.js';
import { type SessionEffect, type SessionEvent, type SessionState, sessionTable } from './session.js';
import { type SlotEffect, type SlotEvent, type SlotState, slotTable } from './slots.js';
import type { Machine, MachineEffect, MachineEvent, WaitingTable } from './supervisor.js';
import { beginSession, noAttempts, type OpenRegisters, type StepContext, weighConfig, weighDps, weighHub, weighLoss } from './weigh.js';

/** One step's scratch pad: the states and registers as they change, and the effects as they come up. */
export class Composer {
  readonly effects: MachineEffect[] = [];
  #power: PowerState;
  #assignment: AssignmentState;
  #session: SessionState;
  #config: ConfigState;
  #slots: SlotState;
  readonly #registers: OpenRegisters;
  readonly #context: StepContext;
  #retryAfterMs = 0;

  constructor(machine: Machine, context: StepContext) {
    this.#power = machine.power;
    this.#assignment = machine.assignment;
    this.#session = machine.session;
    this.#config = machine.config;
    this.#slots = machine.slots;
    this.#registers = { ...machine.registers };
    this.#context = context;
  }

  machine(): Machine {
    return {
      power: this.#power,
      assignment: this.#assignment,
      session: this.#session,
      config: this.#config,
      slots: this.#slots,
      registers: { ...this.#registers },
    };
  }

  take(event: MachineEvent): void {
    if ('failure' in event) {
      this.#retryAfterMs = event.retryAfterMs;
      if (event.table === 'assignment') this.#takeAssignment(weighDps(this.#registers, event.failure, this.#context));
      else if (event.table === 'session') this.#takeSession(weighHub(this.#registers, event.failure, this.#context));
      else this.#takeConfig(weighConfig(this.#registers, event.failure, this.#config));
    } else if ('waitMs' in event) Object.assign(this.#registers, { dpsAttempts: event.attempts, dpsWait: event.waitMs });
    else if (event.table === 'power') this.#takePower(event.event);
    else if (event.table === 'assignment') this.#takeAssignment(event.event);
    else if (event.table === 'slots') this.#takeSlots(event.event);
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
      case 'be-careful':
        this.#registers.careful = 1;
        return;
      case 'begin-assignment':
      case 'reassign':
        this.#askDps();
        return;
      case 'leave-hub':
        this.#stop();
        this.#askDps();
        return;
      case 'begin-session':
        Object.assign(this.#registers, { hubAttempts: 0, hubAmbiguous: 0, hubDeadline: 0, hubSince: 0 });
        this.#takeSession('begin');
        return;
      case 'begin-config':
        Object.assign(this.#registers, { configAttempts: 0, configStale: 0 });
        this.#takeConfig('begin');
        return;
      case 'hold':
        this.#registers.configAttempts = 0;
        this.#takeConfig('hold');
        this.#wait('power', this.#context.policy.safeMs);
        return;
      case 'release':
        this.#registers.careful = 0;
        this.effects.push({ do: 'trust' });
        this.#takeConfig('stop');
        this.#onPower('begin-config');
        return;
      case 'stop-config':
        this.#takeConfig('stop');
        return;
      case 'arrive':
        this.effects.push({ do: 'arrive' });
        this.#wait('power', this.#context.policy.healthMs);
        return;
      case 'trust':
        this.effects.push({ do: effect });
        this.#takeSlots('healthy');
        return;
      case 'restart':
        this.effects.push({ do: 'trust' });
        this.#startOver('restart');
        return;
      case 'recover':
        this.#startOver('restart');
        return;
      case 'switch-off':
        this.effects.push({ do: 'trust' });
        this.#startOver(effect);
        return;
      case 'erase':
      case 'adopt':
        this.#startOver(effect);
        return;
      default:
        this.effects.push({ do: effect });
    }
  }

  /** At once the first time. When DPS was asked already and sent us to a hub that does not let us in, that would be a fast loop. */
  #askDps(): void {
    const { asked, dpsWait, dpsBudget } = this.#registers;
    const atOnce = asked === 0 && dpsWait === 0 && budgetWaitMs(this.#context.policy, dpsBudget, this.#context.now) === 0;
    this.#registers.asked = 1;
    this.#registers.dpsAttempts += asked;
    this.#takeAssignment(atOnce ? 'begin' : 'again');
  }

  #stop(): void {
    this.#takeConfig('stop');
    this.#takeSession('stop');
    this.#takeAssignment('stop');
  }

  /** Nothing is under way any more, and nothing is remembered but what DPS calls are left. */
  #startOver(effect: 'restart' | 'erase' | 'adopt' | 'switch-off'): void {
    this.#stop();
    this.#takeSlots('stop');
    Object.assign(this.#registers, { ...noAttempts, dpsBudget: this.#registers.dpsBudget });
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
        this.#waitForDps(this.#backOff(this.#registers.dpsAttempts));
        return;
      case 'wait-long':
        this.#registers.dpsAmbiguous = 0;
        this.#waitForDps(Math.max(this.#retryAfterMs, coolDownMs(this.#context.policy, this.#context.unit())));
        return;
      case 'register':
        this.#registers.dpsBudget = spend(this.#context.policy, this.#registers.dpsBudget, this.#context.now);
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
        this.#takePower(this.#registers.careful === 1 ? 'safe-connected' : 'hub-connected');
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
      case 'release':
        this.#takePower('released');
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
      default:
        this.effects.push({ do: effect });
    }
  }

  #takeSlots(event: SlotEvent): void {
    const [next, effect] = slotTable[this.#slots][event];
    this.#slots = next;
    if (effect !== 'none') this.#onSlots(effect);
  }

  #onSlots(effect: SlotEffect): void {
    switch (effect) {
      case 'wait':
        this.#wait('slots', this.#context.policy.trialMs);
        return;
      case 'restart':
        this.#takePower('slot-switched');
        return;
      case 'go-back':
        this.#takePower('slot-rolled-back');
        return;
      case 'cancel':
        this.effects.push({ do: 'cancel-slots' });
        return;
      default:
        this.effects.push({ do: `${effect}-slot` });
    }
  }

  // A loss that finds no session to lose is late, and must not be counted.
  #loss(): SessionEvent {
    return this.#session === 'connected' ? weighLoss(this.#registers, this.#context) : 'lost';
  }

  /** The next of the schedule's waits. Between two steps the schedule is a number in the registers, so that the machine stays data. */
  #backOff(attempts: number): number {
    const { policy, unit } = this.#context;
    return retrySchedule(policy, { unit }, Math.max(1, attempts) - 1).next(this.#retryAfterMs).value;
  }

  /** Never shorter than what the budget, or an earlier boot, allows; kept in flash when it is long. */
  #waitForDps(least: number): void {
    const { policy, now } = this.#context;
    const { dpsAttempts, dpsBudget, dpsWait } = this.#registers;
    const ms = Math.max(least, dpsWait, Math.ceil(budgetWaitMs(policy, dpsBudget, now)));
    if (ms >= policy.keepMs && ms > dpsWait) this.effects.push({ do: 'keep-cool-down', attempts: dpsAttempts, ms });
    this.#registers.dpsWait = 0;
    this.#wait('assignment', ms);
  }

  #wait(table: WaitingTable, ms: number): void {
    this.effects.push({ do: 'wait', table, ms });
  }
}
