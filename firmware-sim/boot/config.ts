import type { Row, Table } from './table.js';

/** The configuration: what the hub wants the device to be. */
export type ConfigState =
  | 'idle'
  | 'pulling'
  | 'applying'
  /** The applied configuration is being written to flash, as one item. */
  | 'committing'
  | 'reporting'
  /** Applied, kept and reported. */
  | 'settled'
  | 'backing-off';

export type ConfigEvent =
  | 'begin'
  /** The whole twin has come. */
  | 'twin'
  /** A change of the desired properties, the next version after the one known. */
  | 'desired'
  /** A change that does not follow the version known: something was missed. */
  | 'gap'
  | 'applied'
  | 'apply-failed'
  | 'committed'
  | 'commit-failed'
  | 'reported'
  /** The hub will never take this report. */
  | 'rejected'
  | 'failed'
  | 'due'
  /** The session is gone. */
  | 'stop';

export type ConfigEffect =
  | 'pull'
  | 'apply'
  | 'commit'
  | 'report'
  /** A change came while another is being carried out: begin again when that is done. */
  | 'note'
  | 'settle'
  | 'wait'
  | 'cancel';

type ConfigRow = Row<ConfigState, ConfigEffect>;
const stay = (state: ConfigState): ConfigRow => [state, 'none'];
const note = (state: ConfigState): ConfigRow => [state, 'note'];
const pull: ConfigRow = ['pulling', 'pull'];
const apply: ConfigRow = ['applying', 'apply'];
const report: ConfigRow = ['reporting', 'report'];
const settle: ConfigRow = ['settled', 'settle'];
const retry: ConfigRow = ['backing-off', 'wait'];
const off: ConfigRow = ['idle', 'cancel'];

/**
 * The configuration machine. A configuration that fails to apply is reported as failed, with its version; one that cannot
 * be kept in flash is still reported as applied, since it is.
 */
export const configTable: Table<ConfigState, ConfigEvent, ConfigEffect> = {
  idle: {
    begin: pull,
    twin: stay('idle'),
    desired: stay('idle'),
    gap: stay('idle'),
    applied: stay('idle'),
    'apply-failed': stay('idle'),
    committed: stay('idle'),
    'commit-failed': stay('idle'),
    reported: stay('idle'),
    rejected: stay('idle'),
    failed: stay('idle'),
    due: stay('idle'),
    stop: stay('idle'),
  },
  pulling: {
    begin: stay('pulling'),
    twin: apply,
    desired: note('pulling'),
    gap: note('pulling'),
    applied: stay('pulling'),
    'apply-failed': stay('pulling'),
    committed: stay('pulling'),
    'commit-failed': stay('pulling'),
    reported: stay('pulling'),
    rejected: stay('pulling'),
    failed: retry,
    due: stay('pulling'),
    stop: off,
  },
  applying: {
    begin: stay('applying'),
    twin: stay('applying'),
    desired: note('applying'),
    gap: note('applying'),
    applied: ['committing', 'commit'],
    'apply-failed': report,
    committed: stay('applying'),
    'commit-failed': stay('applying'),
    reported: stay('applying'),
    rejected: stay('applying'),
    failed: stay('applying'),
    due: stay('applying'),
    stop: off,
  },
  committing: {
    begin: stay('committing'),
    twin: stay('committing'),
    desired: note('committing'),
    gap: note('committing'),
    applied: stay('committing'),
    'apply-failed': stay('committing'),
    committed: report,
    'commit-failed': report,
    reported: stay('committing'),
    rejected: stay('committing'),
    failed: stay('committing'),
    due: stay('committing'),
    stop: off,
  },
  reporting: {
    begin: stay('reporting'),
    twin: stay('reporting'),
    desired: note('reporting'),
    gap: note('reporting'),
    applied: stay('reporting'),
    'apply-failed': stay('reporting'),
    committed: stay('reporting'),
    'commit-failed': stay('reporting'),
    reported: settle,
    rejected: settle,
    failed: retry,
    due: stay('reporting'),
    stop: off,
  },
  settled: {
    begin: pull,
    twin: stay('settled'),
    desired: apply,
    gap: pull,
    applied: stay('settled'),
    'apply-failed': stay('settled'),
    committed: stay('settled'),
    'commit-failed': stay('settled'),
    reported: stay('settled'),
    rejected: stay('settled'),
    failed: stay('settled'),
    due: stay('settled'),
    stop: off,
  },
  'backing-off': {
    begin: stay('backing-off'),
    twin: stay('backing-off'),
    desired: stay('backing-off'),
    gap: stay('backing-off'),
    applied: stay('backing-off'),
    'apply-failed': stay('backing-off'),
    committed: stay('backing-off'),
    'commit-failed': stay('backing-off'),
    reported: stay('backing-off'),
    rejected: stay('backing-off'),
    failed: stay('backing-off'),
    due: pull,
    stop: off,
  },
};
