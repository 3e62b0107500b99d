import { Fault } from '@zerotouch/foundation/fault';

/** Codes of {@link IdentityFault}. */
export type IdentityFaultCode =
  /** The image holds neither a certificate nor a key. */
  | 'IDENTITY_MISSING'
  /** The image holds both. */
  | 'IDENTITY_AMBIGUOUS'
  /** The certificate is no X.509 certificate. */
  | 'IDENTITY_CERTIFICATE'
  /** The private key is none, or not the certificate's. */
  | 'IDENTITY_KEY'
  /** The certificate is made out to another registration id. */
  | 'IDENTITY_NAME'
  /** The symmetric key has a length that Azure does not take. */
  | 'IDENTITY_SYMMETRIC_KEY'
  /** None of the server roots can be read: the device could trust no server. */
  | 'IDENTITY_SERVER_ROOTS';

/** The image holds no identity that this device could present. */
export class IdentityFault extends Fault<IdentityFaultCode> {}
