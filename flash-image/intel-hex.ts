import { hex, ImageFault } from './faults.js';

/** Bytes that belong at an address of flash. */
export interface Segment {
  /** Flash offset. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Data bytes of a line. */
const LINE = 16;
const DATA = 0x00;
const END = 0x01;
const HIGH_ADDRESS = 0x04;

/** Intel HEX text of segments: lines of 16 bytes, an address line for every 64 KiB, an end line. Source: Intel, Hexadecimal Object File Format, 1988. */
export function encodeIntelHex(segments: readonly Segment[]): string {
  const lines: string[] = [];
  let high = -1;
  for (const { offset, bytes } of segments) {
    for (let at = 0; at < bytes.length; ) {
      const address = offset + at;
      if (address >>> 16 !== high) {
        high = address >>> 16;
        lines.push(record(HIGH_ADDRESS, 0, Uint8Array.of(high >> 8, high & 0xff)));
      }
      const low = address & 0xffff;
      const length = Math.min(LINE - (low % LINE), bytes.length - at);
      lines.push(record(DATA, low, bytes.subarray(at, at + length)));
      at += length;
    }
  }
  return `${[...lines, record(END, 0, new Uint8Array())].join('\n')}\n`;
}

/** The segments of Intel HEX text, joined where they touch. Throws an {@link ImageFault} `EXPORT_HEX` that names the line. */
export function decodeIntelHex(text: string): Segment[] {
  const segments: { offset: number; parts: Buffer[]; end: number }[] = [];
  let high = 0;
  for (const [index, line] of text.trimEnd().split(/\r?\n/).entries()) {
    const bytes = readLine(line, index + 1);
    const type = bytes.readUInt8(3);
    const data = bytes.subarray(4, -1);
    if (type === END) return segments.map(({ offset, parts }) => ({ offset, bytes: Buffer.concat(parts) }));
    if (type === HIGH_ADDRESS && data.length === 2) high = data.readUInt16BE(0);
    else if (type === DATA) {
      const offset = high * 0x10000 + bytes.readUInt16BE(1);
      const last = segments.at(-1);
      if (last?.end === offset) {
        last.parts.push(data);
        last.end += data.length;
      } else segments.push({ offset, parts: [data], end: offset + data.length });
    } else throw damaged(index + 1, 'a line of an unknown type', hex(type));
  }
  throw damaged(text.split('\n').length, 'the end line is missing', 'the end of the text');
}

function record(type: number, address: number, data: Uint8Array): string {
  const bytes = Buffer.alloc(data.length + 5);
  bytes.writeUInt8(data.length, 0);
  bytes.writeUInt16BE(address, 1);
  bytes.writeUInt8(type, 3);
  bytes.set(data, 4);
  bytes.writeUInt8(checksum(bytes.subarray(0, -1)), bytes.length - 1);
  return `:${bytes.toString('hex').toUpperCase()}`;
}

function readLine(line: string, number: number): Buffer {
  if (!/^:(?:[0-9A-Fa-f]{2}){5,}$/.test(line)) throw damaged(number, 'this is not a line of Intel HEX', line.slice(0, 20));
  const bytes = Buffer.from(line.slice(1), 'hex');
  if (bytes.readUInt8(0) !== bytes.length - 5) throw damaged(number, 'the line has another length than it says', line.slice(0, 3));
  if (checksum(bytes.subarray(0, -1)) !== bytes.readUInt8(bytes.length - 1)) throw damaged(number, 'the checksum differs', line.slice(-2));
  return bytes;
}

/** Two's complement of the sum. */
function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

function damaged(line: number, summary: string, seen: string): ImageFault {
  return new ImageFault('EXPORT_HEX', summary, { where: `line ${line}`, seen, expected: 'Intel HEX' });
}
