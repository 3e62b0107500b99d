import { type ChipName, chips } from '@zerotouch/flash-image/chip';
import { hex } from '@zerotouch/flash-image/faults';
import { checkLayout, type Layout, type Partition, partitionType, SECTOR_SIZE, TABLE_OFFSET } from '@zerotouch/flash-image/layout';
import { subtypeNames, typeNames, UNDEFINED_SUBTYPE } from '@zerotouch/flash-image/partition-names';
import { parse } from 'csv-parse/sync';
import { InputFault } from './input-faults.js';

/** For which chip a layout is. */
export interface CsvTarget {
  chip: ChipName;
  /** Bytes of flash. */
  flashSize: number;
  /** How the file is called in errors. */
  fileName: string;
}

interface Row {
  readonly name: string;
  readonly type: number;
  readonly subtype: number;
  /** `undefined`: behind the one before. */
  readonly offset: number | undefined;
  /** Negative: up to this offset. */
  readonly size: number;
  readonly flags: readonly string[];
  readonly line: number;
}

const OTADATA_SIZE = 0x2000;
const { app, data, bootloader, partitionTable } = partitionType;

/**
 * The layout that a partition CSV tells, by the rules of Espressif's tool: names or numbers for types, K and M for sizes, an empty offset
 * for the next free place, a negative size for an end, flags joined by colons; partitions in the order of their offsets.
 * Source: esp-idf v5.5, gen_esp32part and the partition tables guide.
 * @throws InputFault PARTITIONS_INVALID with file and line; ImageFault LAYOUT_... where no device could mount it
 */
export function parsePartitionCsv(text: string, target: CsvTarget): Layout {
  const rows = rowsOf(text, target);
  const layout = { flashSize: target.flashSize, partitions: place(rows, target) };
  checkLayout(
    layout,
    (one) => `${target.fileName}:${rows[layout.partitions.indexOf(one)]?.line}, partition ${one.name}, offset ${hex(one.offset)}`,
  );
  return layout;
}

function rowsOf(text: string, target: CsvTarget): Row[] {
  let records: { record: string[]; info: { lines: number } }[];
  try {
    records = parse(text, {
      bom: true,
      comment: '#',
      comment_no_infix: true,
      info: true,
      quote: null,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_empty_values: true,
      trim: true,
    }) as unknown as typeof records;
  } catch (cause) {
    throw invalid(target, undefined, 'the file is no CSV', { expected: 'lines of name, type, subtype, offset, size, flags', cause });
  }
  if (records.length === 0) throw invalid(target, undefined, 'there is no partition in it', { expected: 'a line for each partition' });
  return records.map(({ record, info }) => readRow(record, info.lines, target));
}

function readRow(fields: readonly string[], line: number, target: CsvTarget): Row {
  const [name = '', typeText = '', subtypeText = '', offsetText = '', sizeText = '', flagText = ''] = fields;
  const number = (field: string, text: string, names: Readonly<Record<string, number>> = {}): number => {
    const value = parseNumber(text, names);
    if (value !== undefined) return value;
    const known = Object.keys(names);
    const expected = `a number${known.length === 0 ? ', with K or M where wanted' : ` or one of ${known.join(', ')}`}`;
    throw invalid(target, line, `the ${field} cannot be used`, { seen: text, expected });
  };
  const byte = (field: string, text: string, names: Readonly<Record<string, number>>): number => {
    const value = number(field, text, names);
    if (value >= 0 && value <= 0xff) return value;
    throw invalid(target, line, `the ${field} does not fit a byte`, { seen: text, expected: '0 to 255' });
  };
  if (typeText === '') throw invalid(target, line, 'the type is missing', { expected: Object.keys(typeNames).join(', ') });
  const type = byte('type', typeText, typeNames);
  if (subtypeText === '' && type === app)
    throw invalid(target, line, 'an application needs a subtype', { expected: Object.keys(subtypeNames[app] ?? {}).join(', ') });
  const subtype = subtypeText === '' ? UNDEFINED_SUBTYPE : byte('subtype', subtypeText, subtypeNames[type] ?? {});
  const flags = flagText.split(':').filter((flag) => flag !== '');
  const foreign = flags.find((flag) => flag !== 'encrypted' && flag !== 'readonly');
  if (foreign !== undefined) throw invalid(target, line, 'there is an unknown flag', { seen: foreign, expected: 'encrypted, readonly' });
  const start = chips[target.chip].bootloaderOffset;
  if (type === bootloader && subtype === 0) return { name, type, subtype, offset: start, size: TABLE_OFFSET - start, flags, line };
  if (type === partitionTable && subtype === 0) return { name, type, subtype, offset: TABLE_OFFSET, size: SECTOR_SIZE, flags, line };
  if (sizeText === '' && type !== bootloader && type !== partitionTable)
    throw invalid(target, line, 'the size is missing', { expected: 'a number, with K or M where wanted' });
  const size = type === bootloader ? TABLE_OFFSET - start : type === partitionTable ? SECTOR_SIZE : number('size', sizeText);
  return { name, type, subtype, offset: offsetText === '' ? undefined : number('offset', offsetText), size, flags, line };
}

/** Fills in what was left out, in the order of the file. */
function place(rows: readonly Row[], target: CsvTarget): Partition[] {
  let end = TABLE_OFFSET + SECTOR_SIZE;
  const partitions = rows.map(({ name, type, subtype, offset: wanted, size: given, flags, line }): Partition => {
    const common = { name, type, subtype, encrypted: flags.includes('encrypted'), readOnly: flags.includes('readonly') };
    if ((type === bootloader || type === partitionTable) && subtype === 0) return { ...common, offset: wanted ?? 0, size: given };
    if (wanted !== undefined && wanted < end) {
      throw invalid(target, line, 'it starts before the partition before it (or the partition table) ends', {
        seen: hex(wanted),
        expected: `${hex(end)} or more, or an empty offset`,
      });
    }
    const grid = type === app ? 0x10000 : SECTOR_SIZE;
    const offset = wanted ?? Math.ceil(end / grid) * grid;
    const size = given < 0 ? -given - offset : given;
    end = offset + size;
    return { ...common, offset, size };
  });
  for (const [index, partition] of partitions.entries()) checkRules(partition, partitions, rows[index]?.line, target);
  return partitions;
}

/** What Espressif's tool refuses beyond what a layout must keep to. */
function checkRules(partition: Partition, all: readonly Partition[], line: number | undefined, target: CsvTarget): void {
  const { type, subtype, size, readOnly } = partition;
  if (type !== data) return;
  const names = subtypeNames[data] ?? {};
  if (readOnly && (subtype === names.ota || subtype === names.coredump))
    throw invalid(target, line, 'this partition is always written to', { seen: 'readonly', expected: 'no such flag' });
  if (subtype !== names.ota && subtype !== names.tee_ota) return;
  if (all.filter((other) => other.type === data && other.subtype === subtype).length > 1)
    throw invalid(target, line, 'there are two partitions of OTA data', { expected: 'one' });
  if (size !== OTADATA_SIZE) throw invalid(target, line, 'OTA data has a size of its own', { seen: hex(size), expected: '0x2000' });
}

const NUMBER = /^([+-]?)(0x[0-9a-f]+|0o[0-7]+|0b[01]+|0+|[1-9][0-9]*)$/;

/** As the tool reads it: suffixes first, then a number with the prefixes of Python, then a name; case does not matter. */
function parseNumber(text: string, names: Readonly<Record<string, number>>): number | undefined {
  const word = text.toLowerCase();
  for (const [suffix, factor] of [
    ['k', 0x400],
    ['m', 0x100000],
  ] as const) {
    const value = word.endsWith(suffix) ? parseNumber(word.slice(0, -1), names) : undefined;
    if (value !== undefined) return value * factor;
  }
  const [, sign, digits] = NUMBER.exec(word) ?? [];
  if (digits !== undefined) return (sign === '-' ? -1 : 1) * Number(digits);
  return Object.hasOwn(names, word) ? names[word] : undefined;
}

function invalid(
  { fileName }: CsvTarget,
  line: number | undefined,
  summary: string,
  details: { seen?: string; expected: string; cause?: unknown },
): InputFault {
  return new InputFault('PARTITIONS_INVALID', summary, { where: line === undefined ? fileName : `${fileName}:${line}`, ...details });
}
