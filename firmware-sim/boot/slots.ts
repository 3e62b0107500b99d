import { type Row, tableOf } from './table.js';

/** The application slots: a new application proves itself before it stays. */
export type SlotState =
  /** The flash is not mounted, or has no slots. */
  | 'idle'
  /** What runs is here to stay. */
  | 'settled'
  /** What runs was booted for the first time: it stays when the device has run with it for a while. Any other restart ends the trial. */
  | 'trying'
  /** The device has run with it for a while; the application looks for itself. */
  | 'checking'
  /** It is being written to flash that it stays. */
  | 'committing'
  /** It is being written to flash that it goes. */
  | 'rolling-back'
  /** A new application is being written into the slot that does not run. */
  | 'writing'
  /** It is being written to flash that the new one is booted next. */
  | 'switching';

const slotEvents = [
  /** The bootloader booted an application that had proved itself, */
  'settled',
  /** or one that has not. */
  'on-trial',
  /** The device has been running for a while. */
  'healthy',
  'passed',
  'rejected',
  /** The time for proving is over. */
  'due',
  'committed',
  'commit-failed',
  'rolled-back',
  /** There is nothing else to boot. */
  'no-way-back',
  /** A new application was handed in. */
  'update',
  'written',
  'write-failed',
  'switched',
  'switch-failed',
  'stop',
] as const;
export type SlotEvent = (typeof slotEvents)[number];

export type SlotEffect =
  /** Wait as long as a trial may last, then raise `due`. */
  | 'wait'
  | 'check'
  | 'commit'
  | 'roll-back'
  | 'write'
  | 'switch'
  /** Start over with what is booted now: the new application, */
  | 'restart'
  /** or the one before. */
  | 'go-back'
  | 'cancel';

type SlotRow = Row<SlotState, SlotEffect>;
const settled: SlotRow = ['settled', 'none'];
const rollBack: SlotRow = ['rolling-back', 'roll-back'];
const off: SlotRow = ['idle', 'cancel'];

/**
 * The slots machine. An application that works, but of which the flash does not take that it stays, keeps running: the next start boots the one
 * before. One that has failed and is alone keeps running too, since a device that can be reached is better than none.
 */
export const slotTable = tableOf<SlotState, SlotEvent, SlotEffect>(slotEvents, {
  idle: { settled, 'on-trial': ['trying', 'wait'] },
  settled: { update: ['writing', 'write'], stop: off },
  trying: { healthy: ['checking', 'check'], due: rollBack, stop: off },
  checking: { passed: ['committing', 'commit'], rejected: rollBack, stop: off },
  committing: { committed: settled, 'commit-failed': settled, stop: off },
  'rolling-back': { 'rolled-back': ['idle', 'go-back'], 'no-way-back': settled, stop: off },
  writing: { written: ['switching', 'switch'], 'write-failed': settled, stop: off },
  switching: { switched: ['idle', 'restart'], 'switch-failed': settled, stop: off },
});
