import { Fault } from '@zerotouch/foundation/fault';

/** Codes of the errors that the local cloud throws at whoever runs it (a device gets a wire answer and leaves a reason). */
export type CloudFaultCode =
  | 'BAD_ENROLMENT'
  | 'BAD_OPTIONS'
  | 'BAD_CONFIG'
  | 'CERTIFICATE_UNREADABLE'
  | 'CERTIFICATE_UNPROVED'
  | 'CERTIFICATE_UNKNOWN'
  | 'ID_SCOPE_MISMATCH'
  | 'NOT_SERVED'
  | 'UNKNOWN_HUB'
  | 'UNKNOWN_LINK'
  | 'UNKNOWN_POLICY'
  | 'HUB_EXISTS'
  | 'SERVICE_EXISTS'
  | 'SERVICE_NEEDED'
  | 'UNKNOWN_SERVICE'
  | 'BAD_LINK'
  | 'LIMIT_REACHED'
  | 'UNKNOWN_DEVICE'
  | 'DEVICE_EXISTS'
  | 'NOT_CONNECTED'
  | 'NO_ANSWER'
  | 'MESSAGE_REFUSED'
  | 'BAD_QUERY'
  | 'UNKNOWN_ENROLMENT'
  | 'ENROLMENT_EXISTS'
  | 'STORE_UNUSABLE'
  | 'STORE_VERSION'
  | 'STATE_INVALID'
  | 'ETAG_MISMATCH'
  | 'TWIN_LIMIT'
  | 'PORT_IN_USE'
  | 'FRONT_FAILED'
  | 'PAGE_MISSING'
  | 'CLOSED';

/** An operator of the local cloud asked for something it cannot do, and why. */
export class CloudFault extends Fault<CloudFaultCode> {}
