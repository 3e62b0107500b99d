import type { AssignmentState } from './assignment.js';
import type { ConfigState } from './config.js';
import type { PowerState } from './power.js';
import type { SessionState } from './session.js';
import type { Machine } from './supervisor.js';

/** Which table a state belongs to. */
export type TableName = 'power' | 'assignment' | 'session' | 'config';

/** Where a device stands, in one word: the state of the table that is at work. */
export interface DeviceState {
  readonly table: TableName;
  readonly state: PowerState | AssignmentState | SessionState | ConfigState;
}

/** The state to show a person: the power table's own, or the one of the table that it is waiting for. */
export function deviceState(machine: Machine): DeviceState {
  switch (machine.power) {
    case 'provisioning':
      return { table: 'assignment', state: machine.assignment };
    case 'connecting':
      return { table: 'session', state: machine.session };
    case 'configuring':
      return { table: 'config', state: machine.config };
    default:
      return { table: 'power', state: machine.power };
  }
}
