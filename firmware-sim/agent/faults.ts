import { Fault } from '@zerotouch/foundation/fault';

export type SettingsFaultCode =
  /** The file is no YAML. */
  | 'SETTINGS_SYNTAX'
  /** The file says something that it may not say. */
  | 'SETTINGS_INVALID'
  /** The device did not reach its hub with these settings, and does with the former ones. */
  | 'SETTINGS_UNPROVEN'
  /** No process could be started to read the file. */
  | 'SETTINGS_UNREADABLE';

/** The agent's settings cannot be used. */
export class SettingsFault extends Fault<SettingsFaultCode> {}

export type HealthFaultCode =
  /** Nobody answers at the socket. */
  | 'NO_AGENT'
  /** Something else is where the socket should be. */
  | 'SOCKET_TAKEN';

/** The socket that tells the health cannot be opened, or reached. */
export class HealthFault extends Fault<HealthFaultCode> {}
