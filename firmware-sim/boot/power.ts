import type { Row, Table } from './table.js';

/** The device as a whole, from power on to running; it starts and stops the other tables. */
export type PowerState =
  | 'off'
  /** Opening the flash. */
  | 'mounting'
  /** Reading what was burnt. */
  | 'identifying'
  /** Finding out what time it is. */
  | 'timing'
  /** Reading the assignment kept from an earlier boot. */
  | 'recalling'
  /** The assignment table is at work. */
  | 'provisioning'
  /** The session table is at work. */
  | 'connecting'
  /** The config table is at work. */
  | 'configuring'
  | 'running'
  /** The flash or what was burnt cannot be used; nothing but a new burn helps. */
  | 'halted';

export type PowerEvent =
  | 'power-on'
  | 'mounted'
  | 'mount-failed'
  | 'identified'
  | 'identity-failed'
  | 'clock-set'
  /** No time could be had; the device goes on and judges no certificate by its clock. */
  | 'clock-unset'
  | 'cached'
  | 'not-cached'
  | 'assigned'
  | 'hub-connected'
  | 'hub-lost'
  | 'hub-abandoned'
  | 'configured'
  | 'power-off';

export type PowerEffect =
  | 'mount'
  | 'identify'
  | 'set-clock'
  | 'recall'
  | 'begin-assignment'
  | 'begin-session'
  | 'begin-config'
  | 'stop-config'
  /** Ask DPS again: at once the first time, after a wait when the last answer led to the same refusal. */
  | 'reassign'
  | 'arrive'
  | 'halt'
  | 'switch-off';

type PowerRow = Row<PowerState, PowerEffect>;
const stay = (state: PowerState): PowerRow => [state, 'none'];
const off: PowerRow = ['off', 'switch-off'];
const halt: PowerRow = ['halted', 'halt'];
const provision: PowerRow = ['provisioning', 'begin-assignment'];
const connect: PowerRow = ['connecting', 'begin-session'];
const reassign: PowerRow = ['provisioning', 'reassign'];
const lose: PowerRow = ['connecting', 'stop-config'];

/** The power table. */
export const powerTable: Table<PowerState, PowerEvent, PowerEffect> = {
  off: {
    'power-on': ['mounting', 'mount'],
    mounted: stay('off'),
    'mount-failed': stay('off'),
    identified: stay('off'),
    'identity-failed': stay('off'),
    'clock-set': stay('off'),
    'clock-unset': stay('off'),
    cached: stay('off'),
    'not-cached': stay('off'),
    assigned: stay('off'),
    'hub-connected': stay('off'),
    'hub-lost': stay('off'),
    'hub-abandoned': stay('off'),
    configured: stay('off'),
    'power-off': stay('off'),
  },
  mounting: {
    'power-on': stay('mounting'),
    mounted: ['identifying', 'identify'],
    'mount-failed': halt,
    identified: stay('mounting'),
    'identity-failed': stay('mounting'),
    'clock-set': stay('mounting'),
    'clock-unset': stay('mounting'),
    cached: stay('mounting'),
    'not-cached': stay('mounting'),
    assigned: stay('mounting'),
    'hub-connected': stay('mounting'),
    'hub-lost': stay('mounting'),
    'hub-abandoned': stay('mounting'),
    configured: stay('mounting'),
    'power-off': off,
  },
  identifying: {
    'power-on': stay('identifying'),
    mounted: stay('identifying'),
    'mount-failed': stay('identifying'),
    identified: ['timing', 'set-clock'],
    'identity-failed': halt,
    'clock-set': stay('identifying'),
    'clock-unset': stay('identifying'),
    cached: stay('identifying'),
    'not-cached': stay('identifying'),
    assigned: stay('identifying'),
    'hub-connected': stay('identifying'),
    'hub-lost': stay('identifying'),
    'hub-abandoned': stay('identifying'),
    configured: stay('identifying'),
    'power-off': off,
  },
  timing: {
    'power-on': stay('timing'),
    mounted: stay('timing'),
    'mount-failed': stay('timing'),
    identified: stay('timing'),
    'identity-failed': stay('timing'),
    'clock-set': ['recalling', 'recall'],
    'clock-unset': ['recalling', 'recall'],
    cached: stay('timing'),
    'not-cached': stay('timing'),
    assigned: stay('timing'),
    'hub-connected': stay('timing'),
    'hub-lost': stay('timing'),
    'hub-abandoned': stay('timing'),
    configured: stay('timing'),
    'power-off': off,
  },
  recalling: {
    'power-on': stay('recalling'),
    mounted: stay('recalling'),
    'mount-failed': stay('recalling'),
    identified: stay('recalling'),
    'identity-failed': stay('recalling'),
    'clock-set': stay('recalling'),
    'clock-unset': stay('recalling'),
    cached: connect,
    'not-cached': provision,
    assigned: stay('recalling'),
    'hub-connected': stay('recalling'),
    'hub-lost': stay('recalling'),
    'hub-abandoned': stay('recalling'),
    configured: stay('recalling'),
    'power-off': off,
  },
  provisioning: {
    'power-on': stay('provisioning'),
    mounted: stay('provisioning'),
    'mount-failed': stay('provisioning'),
    identified: stay('provisioning'),
    'identity-failed': stay('provisioning'),
    'clock-set': stay('provisioning'),
    'clock-unset': stay('provisioning'),
    cached: stay('provisioning'),
    'not-cached': stay('provisioning'),
    assigned: connect,
    'hub-connected': stay('provisioning'),
    'hub-lost': stay('provisioning'),
    'hub-abandoned': stay('provisioning'),
    configured: stay('provisioning'),
    'power-off': off,
  },
  connecting: {
    'power-on': stay('connecting'),
    mounted: stay('connecting'),
    'mount-failed': stay('connecting'),
    identified: stay('connecting'),
    'identity-failed': stay('connecting'),
    'clock-set': stay('connecting'),
    'clock-unset': stay('connecting'),
    cached: stay('connecting'),
    'not-cached': stay('connecting'),
    assigned: stay('connecting'),
    'hub-connected': ['configuring', 'begin-config'],
    'hub-lost': stay('connecting'),
    'hub-abandoned': reassign,
    configured: stay('connecting'),
    'power-off': off,
  },
  configuring: {
    'power-on': stay('configuring'),
    mounted: stay('configuring'),
    'mount-failed': stay('configuring'),
    identified: stay('configuring'),
    'identity-failed': stay('configuring'),
    'clock-set': stay('configuring'),
    'clock-unset': stay('configuring'),
    cached: stay('configuring'),
    'not-cached': stay('configuring'),
    assigned: stay('configuring'),
    'hub-connected': stay('configuring'),
    'hub-lost': lose,
    'hub-abandoned': stay('configuring'),
    configured: ['running', 'arrive'],
    'power-off': off,
  },
  running: {
    'power-on': stay('running'),
    mounted: stay('running'),
    'mount-failed': stay('running'),
    identified: stay('running'),
    'identity-failed': stay('running'),
    'clock-set': stay('running'),
    'clock-unset': stay('running'),
    cached: stay('running'),
    'not-cached': stay('running'),
    assigned: stay('running'),
    'hub-connected': stay('running'),
    'hub-lost': lose,
    'hub-abandoned': stay('running'),
    configured: stay('running'),
    'power-off': off,
  },
  halted: {
    'power-on': ['mounting', 'mount'],
    mounted: stay('halted'),
    'mount-failed': stay('halted'),
    identified: stay('halted'),
    'identity-failed': stay('halted'),
    'clock-set': stay('halted'),
    'clock-unset': stay('halted'),
    cached: stay('halted'),
    'not-cached': stay('halted'),
    assigned: stay('halted'),
    'hub-connected': stay('halted'),
    'hub-lost': stay('halted'),
    'hub-abandoned': stay('halted'),
    configured: stay('halted'),
    'power-off': off,
  },
};
