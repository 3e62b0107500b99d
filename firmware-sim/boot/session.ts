import type { Row, Table } from './table.js';

/** The connection to the hub. */
export type SessionState =
  | 'idle'
  | 'connecting'
  | 'connected'
  /** The hub could not be reached or dropped us; the same hub is tried again later. */
  | 'backing-off'
  /** This hub is given up; DPS is to be asked. */
  | 'abandoned';

export type SessionEvent =
  | 'begin'
  | 'connected'
  /** The hub does not let this identity in, for certain or for too often. */
  | 'refused'
  | 'failed'
  /** Failures have lasted longer than the device stays with a hub (15 to 30 minutes). */
  | 'exhausted'
  | 'lost'
  | 'due'
  | 'stop';

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

const stay = <S extends SessionState>(state: S): Row<SessionState, SessionEffect> => [state, 'none'];
const off: Row<SessionState, SessionEffect> = ['idle', 'disconnect'];
const connect: Row<SessionState, SessionEffect> = ['connecting', 'connect'];
const giveUp: Row<SessionState, SessionEffect> = ['abandoned', 'give-up'];

/** The hub session machine. */
export const sessionTable: Table<SessionState, SessionEvent, SessionEffect> = {
  idle: {
    begin: connect,
    connected: stay('idle'),
    refused: stay('idle'),
    failed: stay('idle'),
    exhausted: stay('idle'),
    lost: stay('idle'),
    due: stay('idle'),
    stop: stay('idle'),
  },
  connecting: {
    begin: stay('connecting'),
    connected: ['connected', 'hand-over'],
    refused: giveUp,
    failed: ['backing-off', 'wait'],
    exhausted: giveUp,
    lost: stay('connecting'),
    due: stay('connecting'),
    stop: off,
  },
  connected: {
    begin: stay('connected'),
    connected: stay('connected'),
    refused: stay('connected'),
    failed: stay('connected'),
    exhausted: ['abandoned', 'leave'],
    lost: ['backing-off', 'lose'],
    due: stay('connected'),
    stop: off,
  },
  'backing-off': {
    begin: stay('backing-off'),
    connected: stay('backing-off'),
    refused: stay('backing-off'),
    failed: stay('backing-off'),
    exhausted: stay('backing-off'),
    lost: stay('backing-off'),
    due: connect,
    stop: off,
  },
  abandoned: {
    begin: connect,
    connected: stay('abandoned'),
    refused: stay('abandoned'),
    failed: stay('abandoned'),
    exhausted: stay('abandoned'),
    lost: stay('abandoned'),
    due: stay('abandoned'),
    stop: off,
  },
};
