import type { EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';

/** What an enrolment is at DPS, as reading shows it: keys and certificate texts are left out. */
export type Shown<T> = T & { etag?: string };

/** One item of a bulk operation that DPS refused. */
export interface BulkProblem {
  registrationId: string;
  /** Six digits, the first three those of HTTP. */
  errorCode: number;
  errorStatus: string;
}

/** What enrolling needs of a DPS service API. Every method rejects with a {@link ServiceRefusal} or an error of the network. */
export interface DpsService {
  /** `undefined` where there is none. */
  group(id: string): Promise<Shown<EnrolmentGroup> | undefined>;
  /** With an etag it updates, without one it creates. */
  putGroup(group: EnrolmentGroup): Promise<void>;
  individual(id: string): Promise<Shown<IndividualEnrolment> | undefined>;
  /** At most {@link BULK_MAX} at a time. */
  bulk(mode: 'create' | 'update' | 'delete', enrolments: IndividualEnrolment[]): Promise<BulkProblem[]>;
  /** Symmetric keys and certificates themselves. Secret. */
  mechanism(kind: 'group' | 'individual', id: string): Promise<EnrolmentGroup['attestation']>;
  deleteGroup(id: string): Promise<void>;
  /** Ends what is left open. */
  close(): void;
}

/** Most items of a bulk operation. Source: REST reference, individual enrolment, run bulk operation. */
export const BULK_MAX = 10;

/** DPS answered, and not with success. */
export class ServiceRefusal extends Error {
  override readonly name = 'ServiceRefusal';

  /**
   * @param status of HTTP
   * @param retryAfter seconds that DPS asks to wait
   */
  constructor(
    readonly status: number,
    message: string,
    readonly retryAfter: number | undefined,
  ) {
    super(message);
  }
}
