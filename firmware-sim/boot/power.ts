import { type Row, tableOf } from './table.js';

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
  /** Too many boots in a row failed: connected, reports that, applies nothing, waits for another configuration or a command. */
  | 'safe'
  /** Forgetting what was learned: everything (factory reset), or what belonged to the former owner. */
  | 'resetting'
  /** The flash or what was burnt cannot be used; nothing but a new burn helps. */
  | 'halted';

/** What a device can be told to do: by a direct method, or by the program that runs it. */
export const commands = ['reprovision', 'restart', 'factory-reset', 'change-owner'] as const;
export type Command = (typeof commands)[number];

const powerEvents = [
  'power-on',
  'mounted',
  'mount-failed',
  'identified',
  'identity-failed',
  'clock-set',
  /** No time could be had; the device goes on and judges no certificate by its clock. */
  'clock-unset',
  /** As many boots in a row as the policy bears did not end well. */
  'looping',
  'cached',
  'not-cached',
  'assigned',
  'hub-connected',
  /** The hub let in a device that is to be careful. */
  'safe-connected',
  'hub-lost',
  'hub-abandoned',
  'configured',
  /** Another configuration came to a device in safe mode: the way out. */
  'released',
  /** The wait of this table is over: a running device has proved healthy, a safe one may try again. */
  'due',
  /** An operation neither ended in its time nor let itself be ended. */
  'hung',
  'reset-ended',
  /** Another application is to run: a new one, or again the one before. */
  'slot-switched',
  'slot-rolled-back',
  ...commands,
  'power-off',
] as const;
export type PowerEvent = (typeof powerEvents)[number];

export type PowerEffect =
  | 'mount'
  | 'identify'
  | 'set-clock'
  | 'recall'
  /** Go on, but into safe mode. */
  | 'be-careful'
  | 'begin-assignment'
  | 'begin-session'
  | 'begin-config'
  /** Report that this is safe mode, and wait. */
  | 'hold'
  | 'stop-config'
  /** Ask DPS again: at once the first time, after a wait when the last answer led to the same refusal. */
  | 'reassign'
  /** Leave the hub, then the same. */
  | 'leave-hub'
  | 'arrive'
  /** This boot has ended well: count no failures before it. */
  | 'trust'
  /** Out of safe mode: the same, then begin with the configuration. */
  | 'release'
  /** End everything and begin at the flash: as a boot that ended well, or as one that did not. */
  | 'restart'
  | 'recover'
  | 'erase'
  | 'adopt'
  | 'halt'
  | 'switch-off';

type PowerRow = Row<PowerState, PowerEffect>;
const off: PowerRow = ['off', 'switch-off'];
const halt: PowerRow = ['halted', 'halt'];
const reassign: PowerRow = ['provisioning', 'reassign'];
const lose: PowerRow = ['connecting', 'stop-config'];
const leave: PowerRow = ['provisioning', 'leave-hub'];
const restart: PowerRow = ['mounting', 'restart'];

/** What another application asks for, once the flash is mounted. */
const reboot = { 'slot-switched': restart, 'slot-rolled-back': ['mounting', 'recover'] } as const satisfies Partial<
  Record<PowerEvent, PowerRow>
>;

/** What a device does on command, and when something hangs, once its flash is known. */
const obey = {
  ...reboot,
  restart,
  'factory-reset': ['resetting', 'erase'],
  'change-owner': ['resetting', 'adopt'],
  hung: ['mounting', 'recover'],
  'power-off': off,
} as const satisfies Partial<Record<PowerEvent, PowerRow>>;

/** The power table. */
export const powerTable = tableOf<PowerState, PowerEvent, PowerEffect>(powerEvents, {
  off: { 'power-on': ['mounting', 'mount'] },
  mounting: { mounted: ['identifying', 'identify'], 'mount-failed': halt, 'power-off': off },
  identifying: { ...reboot, identified: ['timing', 'set-clock'], 'identity-failed': halt, 'power-off': off },
  timing: { ...obey, 'clock-set': ['recalling', 'recall'], 'clock-unset': ['recalling', 'recall'] },
  recalling: {
    ...reboot,
    looping: ['recalling', 'be-careful'],
    cached: ['connecting', 'begin-session'],
    'not-cached': ['provisioning', 'begin-assignment'],
    'power-off': off,
  },
  provisioning: { ...obey, assigned: ['connecting', 'begin-session'] },
  connecting: {
    ...obey,
    'hub-connected': ['configuring', 'begin-config'],
    'safe-connected': ['safe', 'hold'],
    'hub-abandoned': reassign,
    reprovision: leave,
  },
  configuring: { ...obey, 'hub-lost': lose, configured: ['running', 'arrive'], reprovision: leave },
  running: { ...obey, 'hub-lost': lose, due: ['running', 'trust'], reprovision: leave },
  safe: { ...obey, 'hub-lost': lose, released: ['configuring', 'release'], due: restart, reprovision: leave },
  resetting: { 'reset-ended': restart, 'power-off': off },
  halted: { 'power-on': ['mounting', 'mount'], 'power-off': off },
});
