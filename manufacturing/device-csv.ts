import { parse } from 'csv-parse/sync';

/** A line of a CSV that says one thing of each device. */
export interface DeviceLine {
  /** Serial or registration id. */
  name: string;
  value: string;
  /** Counts from 1. */
  line: number;
}

/**
 * Reads a CSV of serial (or registration id) and value: blank lines and those that begin with `#` are left out, and so is a first line whose second
 * field is a heading. What it throws says that the text is no CSV.
 */
export function readDeviceCsv(bytes: Buffer, heading: RegExp): DeviceLine[] {
  const options = { bom: true, comment: '#', info: true, relax_column_count: true, skip_empty_lines: true, trim: true } as const;
  const records = parse(bytes, options) as unknown as { record: string[]; info: { lines: number } }[];
  return records.flatMap(({ record: [name = '', value = ''], info }, index) =>
    index === 0 && heading.test(value) ? [] : [{ name, value, line: info.lines }],
  );
}
