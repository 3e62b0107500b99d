import type { Row, Table } from './table.js';

/** Getting a hub from DPS and keeping it. */
export type AssignmentState =
  /** No registration is wanted. */
  | 'idle'
  /** Reaching DPS. */
  | 'locating'
  /** Proving who we are. */
  | 'attesting'
  /** DPS took the request and is choosing a hub. */
  | 'waiting'
  /** The answer is being written to flash, as one item. */
  | 'committing'
  /** The hub is known. */
  | 'assigned'
  /** An attempt failed; the next one is due later. */
  | 'backing-off'
  /** DPS does not know or want us. Asked again after a long while: the enrolment may come later. */
  | 'refused';

export type AssignmentEvent =
  /** A registration is wanted now. */
  | 'begin'
  /** A registration is wanted, but the last one led nowhere: wait first. */
  | 'again'
  | 'connected'
  | 'assigning'
  | 'assigned'
  | 'refused'
  | 'throttled'
  | 'failed'
  | 'committed'
  | 'commit-failed'
  /** The wait is over. */
  | 'due'
  /** Power is being switched off. */
  | 'stop';

export type AssignmentEffect =
  | 'register'
  | 'commit'
  | 'hand-over'
  /** Wait with back-off, then raise `due`. */
  | 'wait'
  /** Wait the long cool-down of a refusal, then raise `due`. */
  | 'wait-long'
  | 'cancel';

type AssignmentRow = Row<AssignmentState, AssignmentEffect>;
const stay = (state: AssignmentState): AssignmentRow => [state, 'none'];
const locate: AssignmentRow = ['locating', 'register'];
const off: AssignmentRow = ['idle', 'cancel'];
const commit: AssignmentRow = ['committing', 'commit'];
const retry: AssignmentRow = ['backing-off', 'wait'];
const refuse: AssignmentRow = ['refused', 'wait-long'];

/**
 * The assignment machine. A row that leads back to its own state with `none` is an event that comes late and means nothing there.
 * `commit-failed` goes on to the hub: a device whose flash refuses a write is still better connected than not; it will
 * ask DPS again at its next boot.
 */
export const assignmentTable: Table<AssignmentState, AssignmentEvent, AssignmentEffect> = {
  idle: {
    begin: locate,
    again: retry,
    connected: stay('idle'),
    assigning: stay('idle'),
    assigned: stay('idle'),
    refused: stay('idle'),
    throttled: stay('idle'),
    failed: stay('idle'),
    committed: stay('idle'),
    'commit-failed': stay('idle'),
    due: stay('idle'),
    stop: stay('idle'),
  },
  locating: {
    begin: stay('locating'),
    again: stay('locating'),
    connected: ['attesting', 'none'],
    assigning: ['waiting', 'none'],
    assigned: commit,
    refused: refuse,
    throttled: retry,
    failed: retry,
    committed: stay('locating'),
    'commit-failed': stay('locating'),
    due: stay('locating'),
    stop: off,
  },
  attesting: {
    begin: stay('attesting'),
    again: stay('attesting'),
    connected: stay('attesting'),
    assigning: ['waiting', 'none'],
    assigned: commit,
    refused: refuse,
    throttled: retry,
    failed: retry,
    committed: stay('attesting'),
    'commit-failed': stay('attesting'),
    due: stay('attesting'),
    stop: off,
  },
  waiting: {
    begin: stay('waiting'),
    again: stay('waiting'),
    connected: stay('waiting'),
    assigning: stay('waiting'),
    assigned: commit,
    refused: refuse,
    throttled: retry,
    failed: retry,
    committed: stay('waiting'),
    'commit-failed': stay('waiting'),
    due: stay('waiting'),
    stop: off,
  },
  committing: {
    begin: stay('committing'),
    again: stay('committing'),
    connected: stay('committing'),
    assigning: stay('committing'),
    assigned: stay('committing'),
    refused: stay('committing'),
    throttled: stay('committing'),
    failed: stay('committing'),
    committed: ['assigned', 'hand-over'],
    'commit-failed': ['assigned', 'hand-over'],
    due: stay('committing'),
    stop: off,
  },
  assigned: {
    begin: locate,
    again: retry,
    connected: stay('assigned'),
    assigning: stay('assigned'),
    assigned: stay('assigned'),
    refused: stay('assigned'),
    throttled: stay('assigned'),
    failed: stay('assigned'),
    committed: stay('assigned'),
    'commit-failed': stay('assigned'),
    due: stay('assigned'),
    stop: off,
  },
  'backing-off': {
    begin: stay('backing-off'),
    again: stay('backing-off'),
    connected: stay('backing-off'),
    assigning: stay('backing-off'),
    assigned: stay('backing-off'),
    refused: stay('backing-off'),
    throttled: stay('backing-off'),
    failed: stay('backing-off'),
    committed: stay('backing-off'),
    'commit-failed': stay('backing-off'),
    due: locate,
    stop: off,
  },
  refused: {
    begin: stay('refused'),
    again: stay('refused'),
    connected: stay('refused'),
    assigning: stay('refused'),
    assigned: stay('refused'),
    refused: stay('refused'),
    throttled: stay('refused'),
    failed: stay('refused'),
    committed: stay('refused'),
    'commit-failed': stay('refused'),
    due: locate,
    stop: off,
  },
};
