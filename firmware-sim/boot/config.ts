import { type Row, tableOf } from './table.js';

/** The configuration: what the hub wants the device to be. */
export type ConfigState =
  | 'idle'
  | 'pulling'
  | 'applying'
  /** It could not be applied: the last one that could is applied again. */
  | 'rolling-back'
  /** The applied configuration is being written to flash, as one item. */
  | 'committing'
  | 'reporting'
  /** Carried out, kept and reported. */
  | 'settled'
  | 'backing-off'
  /** Safe mode: reporting that nothing is applied. */
  | 'announcing'
  /** Safe mode: reported; waiting for another configuration. */
  | 'holding'
  /** Safe mode: the report failed, the next one is due later. */
  | 'holding-off';

const configEvents = [
  'begin',
  /** Apply nothing: the device is in safe mode. */
  'hold',
  /** The whole twin has come. */
  'twin',
  /** A change of the desired properties, the next version after the one known. */
  'desired',
  /** A change that does not follow the version known: something was missed. */
  'gap',
  'applied',
  'apply-failed',
  /** The last good configuration is in force again, if there was one. */
  'restored',
  'restore-failed',
  'committed',
  'commit-failed',
  'reported',
  /** The hub will never take this report. */
  'rejected',
  'failed',
  'due',
  /** The session is gone. */
  'stop',
] as const;
export type ConfigEvent = (typeof configEvents)[number];

export type ConfigEffect =
  | 'pull'
  | 'apply'
  | 'restore'
  | 'commit'
  | 'report'
  /** A change came while another is being carried out: begin again when that is done. */
  | 'note'
  | 'settle'
  | 'wait'
  | 'announce'
  /** Tell the supervisor that another configuration came. */
  | 'release'
  | 'cancel';

type ConfigRow = Row<ConfigState, ConfigEffect>;
const note = <S extends ConfigState>(state: S) => ({ desired: [state, 'note'], gap: [state, 'note'] }) as const;
const pull: ConfigRow = ['pulling', 'pull'];
const report: ConfigRow = ['reporting', 'report'];
const settle: ConfigRow = ['settled', 'settle'];
const retry: ConfigRow = ['backing-off', 'wait'];
const announce: ConfigRow = ['announcing', 'announce'];
const hold: ConfigRow = ['holding', 'none'];
const release: ConfigRow = ['holding', 'release'];
const off: ConfigRow = ['idle', 'cancel'];

/**
 * The configuration machine. A configuration that fails to apply is rolled back and reported as failed, with its version; one that cannot
 * be kept in flash is still reported as applied, since it is.
 */
export const configTable = tableOf<ConfigState, ConfigEvent, ConfigEffect>(configEvents, {
  idle: { begin: pull, hold: announce },
  pulling: { ...note('pulling'), twin: ['applying', 'apply'], failed: retry, stop: off },
  applying: { ...note('applying'), applied: ['committing', 'commit'], 'apply-failed': ['rolling-back', 'restore'], stop: off },
  'rolling-back': { ...note('rolling-back'), restored: report, 'restore-failed': report, stop: off },
  committing: { ...note('committing'), committed: report, 'commit-failed': report, stop: off },
  reporting: { ...note('reporting'), reported: settle, rejected: settle, failed: retry, stop: off },
  settled: { begin: pull, desired: ['applying', 'apply'], gap: pull, stop: off },
  'backing-off': { due: pull, stop: off },
  announcing: { reported: hold, rejected: hold, failed: ['holding-off', 'wait'], desired: release, gap: release, stop: off },
  holding: { desired: release, gap: release, stop: off },
  'holding-off': { due: announce, desired: release, gap: release, stop: off },
});
