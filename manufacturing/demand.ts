import type { EnrolmentFile, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';

/** A device that is burnt, and what DPS must be told of it alone. */
export interface Delivered {
  readonly registrationId: string;
  /** Absent where its group's enrolment lets it in. Secret where it has keys of its own. */
  readonly enrolment?: IndividualEnrolment;
}

/**
 * Who has devices burnt as they are needed, instead of all at once. A batch that is burnt so is one like others: it can be ended at any time and gone
 * on with.
 */
export interface Demand {
  /**
   * All is ready to burn. Nothing is burnt before this resolves.
   * @param file the enrolments of groups, and CA certificates; secret where groups have keys
   * @param kept what earlier runs have burnt
   */
  begin(file: EnrolmentFile, kept: readonly Delivered[]): Promise<void>;
  /** How many more devices to burn now, in the order of the plan, at most so many; waits until some are needed. 0: none any more. */
  more(most: number): Promise<number>;
  /** Devices that are burnt and in the ledger. What this rejects with ends the line. */
  delivered(devices: readonly Delivered[]): Promise<void>;
}
