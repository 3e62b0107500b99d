import { type Row, tableOf } from './table.js';

/** The connection to the hub. */
export type SessionState =
  | 'idle'
  | 'connecting'
  | 'connected'
  /** The hub could not be reached or dropped us; the same hub is tried again later. */
  | 'backing-off'
  /** This hub is given up; DPS is to be asked. */
  | 'abandoned';

const sessionEvents = [
  'begin',
  'connected',
  /** The hub does not let this identity in, for certain or for too often. */
  'refused',
  'failed',
  /** Failures have lasted longer than the device stays with a hub (15 to 30 minutes). */
  'exhausted',
  'lost',
  'due',
  'stop',
] as const;
export type SessionEvent = (typeof sessionEvents)[number];

export type SessionEffect =
  | 'connect'
  | 'hand-over'
  /** Forget the connection, tell the supervisor, wait, then raise `due`. */
  | 'lose'
  /** Forget the connection and give the hub up. */
  | 'leave'
  | 'wait'
  | 'give-up'
  | 'disconnect';

type SessionRow = Row<SessionState, SessionEffect>;
const off: SessionRow = ['idle', 'disconnect'];
const connect: SessionRow = ['connecting', 'connect'];
const giveUp: SessionRow = ['abandoned', 'give-up'];

/** The hub session machine. */
export const sessionTable = tableOf<SessionState, SessionEvent, SessionEffect>(sessionEvents, {
  idle: { begin: connect },
  connecting: { connected: ['connected', 'hand-over'], refused: giveUp, failed: ['backing-off', 'wait'], exhausted: giveUp, stop: off },
  connected: { exhausted: ['abandoned', 'leave'], lost: ['backing-off', 'lose'], stop: off },
  'backing-off': { due: connect, stop: off },
  abandoned: { begin: connect, stop: off },
});
