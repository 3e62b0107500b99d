import { Fault } from '@zerotouch/foundation/fault';

export type TpmFaultCode =
  /** What names the TPM cannot be understood. */
  | 'TPM_NAME'
  /** Nobody answers there. */
  | 'TPM_UNREACHABLE'
  /** The TPM turned a command down. */
  | 'TPM_REFUSED'
  /** What was read is no answer of a TPM, or no blob for one. */
  | 'TPM_GARBLED';

/** A TPM that cannot be used. */
export class TpmFault extends Fault<TpmFaultCode> {}
