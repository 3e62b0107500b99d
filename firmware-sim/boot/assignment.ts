import { type Row, tableOf } from './table.js';

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

const assignmentEvents = [
  /** A registration is wanted now. */
  'begin',
  /** A registration is wanted, but the last one led nowhere: wait first. */
  'again',
  'connected',
  'assigning',
  'assigned',
  'refused',
  'throttled',
  'failed',
  'committed',
  'commit-failed',
  /** The wait is over. */
  'due',
  /** No registration is wanted any more. */
  'stop',
] as const;
export type AssignmentEvent = (typeof assignmentEvents)[number];

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
const locate: AssignmentRow = ['locating', 'register'];
const off: AssignmentRow = ['idle', 'cancel'];
const retry: AssignmentRow = ['backing-off', 'wait'];

/** What may come of a registration that is under way. */
const underWay = {
  assigning: ['waiting', 'none'],
  assigned: ['committing', 'commit'],
  refused: ['refused', 'wait-long'],
  throttled: retry,
  failed: retry,
  stop: off,
} as const satisfies Partial<Record<AssignmentEvent, AssignmentRow>>;

/**
 * The assignment machine. `commit-failed` goes on to the hub: a device whose flash refuses a write is still better connected than not; it will
 * ask DPS again at its next boot.
 */
export const assignmentTable = tableOf<AssignmentState, AssignmentEvent, AssignmentEffect>(assignmentEvents, {
  idle: { begin: locate, again: retry },
  locating: { ...underWay, connected: ['attesting', 'none'] },
  attesting: underWay,
  waiting: underWay,
  committing: { committed: ['assigned', 'hand-over'], 'commit-failed': ['assigned', 'hand-over'], stop: off },
  assigned: { begin: locate, again: retry, stop: off },
  'backing-off': { due: locate, stop: off },
  refused: { due: locate, stop: off },
});
