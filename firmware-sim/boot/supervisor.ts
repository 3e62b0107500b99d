import type { AssignmentEvent, AssignmentState } from './assignment.js';
import { Composer } from './composer.js';
import type { ConfigEvent, ConfigState } from './config.js';
import type { FailureKind } from './ports.js';
import type { PowerEvent, PowerState } from './power.js';
import type { SessionEvent, SessionState } from './session.js';
import type { SlotEvent, SlotState } from './slots.js';
import { noAttempts, type Registers, type StepContext } from './weigh.js';

/** Everything the machine remembers between two events: a state a table, and numbers. */
export interface Machine {
  readonly power: PowerState;
  readonly assignment: AssignmentState;
  readonly session: SessionState;
  readonly config: ConfigState;
  readonly slots: SlotState;
  readonly registers: Registers;
}

/** Something that happened, as the driver tells the machine. Failures come with their kind; the machine weighs them. */
export type MachineEvent =
  | { readonly table: 'power'; readonly event: Exclude<PowerEvent, 'safe-connected' | 'slot-switched' | 'slot-rolled-back'> }
  | { readonly table: 'assignment'; readonly event: Exclude<AssignmentEvent, 'refused' | 'throttled' | 'failed'> }
  | { readonly table: 'session'; readonly event: Exclude<SessionEvent, 'refused' | 'failed' | 'exhausted'> }
  | { readonly table: 'config'; readonly event: Exclude<ConfigEvent, 'failed' | 'rejected'> }
  | { readonly table: 'slots'; readonly event: Exclude<SlotEvent, 'healthy' | 'stop'> }
  | { readonly table: 'assignment' | 'session' | 'config'; readonly failure: FailureKind; readonly retryAfterMs: number }
  /** What an earlier boot kept: DPS is not to be asked before `waitMs`, after so many failed attempts. */
  | { readonly table: 'assignment'; readonly attempts: number; readonly waitMs: number };

/** Something to carry out. A wait raises the event `due` of its table when it is over. */
export type MachineEffect =
  | {
      readonly do:
        | 'mount'
        | 'identify'
        | 'set-clock'
        | 'recall'
        | 'arrive'
        | 'trust'
        | 'restart'
        | 'erase'
        | 'adopt'
        | 'halt'
        | 'switch-off';
    }
  | { readonly do: 'register' | 'commit-assignment' | 'cancel-assignment' }
  | { readonly do: 'connect' | 'disconnect' }
  | { readonly do: 'pull' | 'apply' | 'restore' | 'commit-config' | 'report' | 'announce' | 'cancel-config' }
  | { readonly do: 'check-slot' | 'commit-slot' | 'roll-back-slot' | 'write-slot' | 'switch-slot' | 'cancel-slots' }
  /** Keep in flash that DPS is not to be asked for so long. */
  | { readonly do: 'keep-cool-down'; readonly attempts: number; readonly ms: number }
  | { readonly do: 'wait'; readonly table: WaitingTable; readonly ms: number };

/** The tables that wait. */
export type WaitingTable = 'power' | 'assignment' | 'session' | 'config' | 'slots';

/** A device without power. */
export const poweredOff: Machine = {
  power: 'off',
  assignment: 'idle',
  session: 'idle',
  config: 'idle',
  slots: 'idle',
  registers: noAttempts,
};

/**
 * One step of the whole device: pure. The event goes to its table; effects that concern another table are passed on there; what is left is
 * for the driver to carry out, in order.
 */
export function step(machine: Machine, event: MachineEvent, context: StepContext): readonly [Machine, MachineEffect[]] {
  const composer = new Composer(machine, context);
  composer.take(event);
  return [composer.machine(), composer.effects];
}
