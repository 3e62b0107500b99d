import { Fault } from '@zerotouch/foundation/fault';

export type BootFaultCode =
  /** The flash or what was burnt cannot be used. */
  | 'BOOT_HALTED'
  /** DPS or the hub does not let this identity in. */
  | 'BOOT_REFUSED'
  /** Too many boots in a row ended badly: the device is connected, but applies nothing. */
  | 'BOOT_SAFE_MODE'
  /** The service could not be reached or did not answer in time. */
  | 'BOOT_UNREACHABLE'
  /** The file that tells where the local cloud is cannot be used. */
  | 'CLOUD_FILE'
  /** The image is for the local cloud, and none runs here. */
  | 'NO_LOCAL_CLOUD'
  | 'BAD_OPTION'
  /** A new application was handed to a device that has no slot for it now. */
  | 'NO_SLOTS'
  /** A new application was not written, or did not prove itself. */
  | 'UPDATE_FAILED'
  | 'NOT_CONNECTED';

/** A boot that did not end in `running`, or a device used when it is not connected. */
export class BootFault extends Fault<BootFaultCode> {}
