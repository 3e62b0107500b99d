import { ImageFault } from '../faults.js';

/** The integer types of NVS that a JavaScript number holds exactly. */
export type SmallIntegerType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32';
/** The integer types that take a bigint. */
export type BigIntegerType = 'u64' | 'i64';

/** A value as NVS types it. A string is UTF-8 without NUL, at most 3999 bytes; a blob may cross pages. */
export type NvsValue =
  | { readonly type: SmallIntegerType; readonly value: number }
  | { readonly type: BigIntegerType; readonly value: bigint }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'blob'; readonly value: Uint8Array };

/** A value under its name. Namespace and key: 1 to 15 printable ASCII characters. */
export interface NvsEntry {
  readonly namespace: string;
  readonly key: string;
  readonly value: NvsValue;
}

/** The longest string, in bytes with its closing NUL. Source: esp-idf NVS guide. */
export const STRING_LIMIT = 4000;

const ranges = {
  u8: [0, 0xff],
  i8: [-0x80, 0x7f],
  u16: [0, 0xffff],
  i16: [-0x8000, 0x7fff],
  u32: [0, 0xffffffff],
  i32: [-0x80000000, 0x7fffffff],
} as const;
const bigRanges = { u64: [0n, 2n ** 64n - 1n], i64: [-(2n ** 63n), 2n ** 63n - 1n] } as const;

/** Throws an {@link ImageFault} `NVS_KEY` for a name that an NVS entry cannot carry. */
export function checkName(kind: 'namespace' | 'key', name: string): void {
  if (/^[\x20-\x7e]{1,15}$/.test(name)) return;
  throw new ImageFault('NVS_KEY', `the ${kind} does not fit an NVS entry`, {
    where: `${kind} ${JSON.stringify(name)}`,
    expected: '1 to 15 printable ASCII characters',
  });
}

/** Throws an {@link ImageFault} `NVS_VALUE` for a value out of its type's range; the value itself is never told. */
export function checkValue(namespace: string, key: string, value: NvsValue): void {
  const expected = expectation(value);
  if (expected === undefined) return;
  throw new ImageFault('NVS_VALUE', `the value does not fit type ${value.type}`, { where: `NVS entry ${namespace}/${key}`, expected });
}

/** Whether both are of one type and equal. */
export function sameValue(a: NvsValue, b: NvsValue): boolean {
  if (a.type === 'blob') return b.type === 'blob' && Buffer.compare(a.value, b.value) === 0;
  return a.type === b.type && a.value === b.value;
}

function expectation(value: NvsValue): string | undefined {
  switch (value.type) {
    case 'blob':
      return value.value instanceof Uint8Array ? undefined : 'bytes';
    case 'string': {
      const bytes = Buffer.from(value.value);
      const fits = bytes.length < STRING_LIMIT && !bytes.includes(0) && bytes.toString() === value.value;
      return fits ? undefined : `well-formed text without NUL of at most ${STRING_LIMIT - 1} bytes in UTF-8`;
    }
    case 'u64':
    case 'i64': {
      const [least, most] = bigRanges[value.type];
      return typeof value.value === 'bigint' && value.value >= least && value.value <= most
        ? undefined
        : `a bigint from ${least} to ${most}`;
    }
    default: {
      const [least, most] = ranges[value.type];
      return Number.isInteger(value.value) && value.value >= least && value.value <= most
        ? undefined
        : `an integer from ${least} to ${most}`;
    }
  }
}
