import type { DeviceState } from '../boot/state.js';

/** How a state is told in a trace. */
export interface StepShape {
  readonly name: string;
  /** Whom it asks. */
  readonly asks?: 'dps' | 'hub';
  /** Part of one attempt to register. */
  readonly isOfAttempt?: boolean;
}

/** States that end the story of a boot: nothing is under way in them. */
export const restingStates: ReadonlySet<string> = new Set(['off', 'running', 'safe', 'halted']);

/** States before which a device does not know the time. */
export const timelessStates: ReadonlySet<string> = new Set(['mounting', 'identifying', 'timing']);

const backOff: StepShape = { name: 'back off' };

/** The span of each state that takes time, by table. */
const shapes: Readonly<Record<DeviceState['table'], Readonly<Record<string, StepShape>>>> = {
  power: {
    mounting: { name: 'mount flash' },
    identifying: { name: 'read identity' },
    timing: { name: 'set clock' },
    recalling: { name: 'recall assignment' },
    resetting: { name: 'reset' },
  },
  assignment: {
    locating: { name: 'connect to DPS', asks: 'dps', isOfAttempt: true },
    attesting: { name: 'register', asks: 'dps', isOfAttempt: true },
    waiting: { name: 'wait for assignment', isOfAttempt: true },
    committing: { name: 'keep assignment' },
    'backing-off': backOff,
    refused: { name: 'cool down' },
  },
  session: {
    connecting: { name: 'connect to hub', asks: 'hub' },
    'backing-off': backOff,
  },
  config: {
    pulling: { name: 'pull twin', asks: 'hub' },
    applying: { name: 'apply configuration' },
    'rolling-back': { name: 'roll back configuration' },
    committing: { name: 'keep configuration' },
    reporting: { name: 'report', asks: 'hub' },
    'backing-off': backOff,
  },
};

/** How a state is told; a state without a name of its own by its own word. */
export function shapeOf({ table, state }: DeviceState): StepShape {
  return shapes[table][state] ?? { name: state };
}
