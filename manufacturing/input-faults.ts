import { Fault } from '@zerotouch/foundation/fault';

/**
 * Codes of {@link InputFault}.
 *
 * `PARTITIONS_INVALID` a partition CSV; `FLASH_INPUT` a file for the flash, or a layout without room for what goes into it; `CHIP_UNFIT` a
 * chip that cannot do what the spec asks; `CSR_*` certificate requests; `MAC_INVALID` MAC addresses; `ENDORSEMENT_INVALID` endorsement keys of TPMs; `TOKEN_*` a PKCS#11
 * token; `PASSPHRASE` of a CA key; `PROOF_CODE` a verification code; `SERVER_ROOTS` the
 * roots that devices are to trust.
 */
export type InputFaultCode =
  | 'PARTITIONS_INVALID'
  | 'FLASH_INPUT'
  | 'CHIP_UNFIT'
  | 'CSR_INVALID'
  | 'CSR_MISSING'
  | 'MAC_INVALID'
  | 'ENDORSEMENT_INVALID'
  | 'TOKEN_MODULE'
  | 'TOKEN_REFUSED'
  | 'TOKEN_KEY'
  | 'PASSPHRASE'
  | 'PROOF_CODE'
  | 'SERVER_ROOTS';

/** Something that was handed to the factory cannot be used. */
export class InputFault extends Fault<InputFaultCode> {}
