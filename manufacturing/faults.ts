import { Fault, type FaultDetails } from '@zerotouch/foundation/fault';

/**
 * Codes of the errors this room throws.
 *
 * `SPEC_SYNTAX` no YAML or JSON; `SPEC_INVALID` a field is wrong; `OUT_OCCUPIED` the folder holds a batch; `OUT_UNUSABLE` it cannot be
 * written; `BATCH_DIFFERS` a batch of this name was planned otherwise; `LEDGER_DUPLICATE` a name or key is there already; `LEDGER_NEWER` a newer
 * version wrote it; `LEDGER_STATE` a device cannot go there from where it is; `LEDGER_UNKNOWN` no such device or batch; `LEDGER_UNREACHABLE`
 * no answer; `LEDGER_UNUSABLE` it refuses; `CLAIM_LOST` another station took the device over; `ENROLMENTS_UNREADABLE` enrolments.json is not what a burn
 * writes; `AUDIT_PATH` nothing there can be audited; `DPS_ADDRESS` no connection string of a DPS service API; `DPS_REFUSED`
 * it said no; `DPS_UNREACHABLE` it did not answer; `AUTHORITY_*` the certificate authority in its folder cannot be used; `READ_BACK` an image on disk is not what was intended.
 */
export type ManufacturingFaultCode =
  | 'SPEC_SYNTAX'
  | 'SPEC_INVALID'
  | 'OUT_OCCUPIED'
  | 'OUT_UNUSABLE'
  | 'BATCH_DIFFERS'
  | 'LEDGER_DUPLICATE'
  | 'LEDGER_NEWER'
  | 'LEDGER_STATE'
  | 'LEDGER_UNKNOWN'
  | 'LEDGER_UNREACHABLE'
  | 'LEDGER_UNUSABLE'
  | 'CLAIM_LOST'
  | 'ENROLMENTS_UNREADABLE'
  | 'AUDIT_PATH'
  | 'DPS_ADDRESS'
  | 'DPS_REFUSED'
  | 'DPS_UNREACHABLE'
  | 'AUTHORITY_INCOMPLETE'
  | 'AUTHORITY_INVALID'
  | 'AUTHORITY_EXPIRED'
  | 'AUTHORITY_TOO_SHORT'
  | 'READ_BACK';

/** Something the factory cannot or must not do. */
export class ManufacturingFault extends Fault<ManufacturingFaultCode> {}

/** One thing that is wrong in a batch spec. */
export interface SpecProblem {
  /** Keys and indices from the top of the spec to the field. */
  path: (string | number)[];
  summary: string;
  seen?: unknown;
  expected?: string;
  remedy?: string;
}

/** A {@link SpecProblem} with its place in the file; line and column count from 1. */
export interface LocatedSpecProblem extends SpecProblem {
  line?: number;
  column?: number;
}

/** A batch spec that cannot be used. The message tells the first problem; `problems` holds them all. */
export class SpecFault extends ManufacturingFault {
  readonly file: string | undefined;
  readonly problems: readonly LocatedSpecProblem[];

  constructor(
    code: 'SPEC_SYNTAX' | 'SPEC_INVALID',
    file: string | undefined,
    problems: readonly [LocatedSpecProblem, ...LocatedSpecProblem[]],
  ) {
    const [first, ...others] = problems;
    const more = others.length === 0 ? '' : ` (the first of ${problems.length} problems)`;
    super(code, `${first.summary}${more}`, detailsOf(file, first));
    this.file = file;
    this.problems = problems;
  }
}

/** A field's path as people write it: `groups[0].serial.count`. */
export function fieldName(path: readonly (string | number)[]): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('');
}

function detailsOf(file: string | undefined, { line, column, path, seen, expected, remedy }: LocatedSpecProblem): FaultDetails {
  const place = [file, line, column].filter((part) => part !== undefined).join(':');
  const where = [place, fieldName(path)].filter((part) => part !== '').join(' ');
  return {
    ...(where === '' ? {} : { where }),
    ...(seen === undefined ? {} : { seen }),
    ...(expected === undefined ? {} : { expected }),
    ...(remedy === undefined ? {} : { remedy }),
  };
}
