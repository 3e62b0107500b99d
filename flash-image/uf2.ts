import { hex, ImageFault } from './faults.js';
import type { Segment } from './intel-hex.js';

/** Bytes of a block and of the data in it: the payload that every bootloader takes. */
const BLOCK_SIZE = 512;
const PAYLOAD = 256;
const DATA_OFFSET = 32;
const MAGIC_START = 0x0a324655;
const MAGIC_SECOND = 0x9e5d5157;
const MAGIC_END = 0x0ab16f30;
const FLAG_FAMILY = 0x2000;

/**
 * A UF2 file of segments, for the chip's family. Blocks start on a grid of 256 bytes; what a segment leaves of a block is FF, so segments
 * must not share one. Source: microsoft/uf2, README.
 */
export function encodeUf2(segments: readonly Segment[], family: number): Buffer {
  const blocks = segments.flatMap(blocksOf);
  return Buffer.concat(
    blocks.map(({ offset, bytes }, index) => {
      const block = Buffer.alloc(BLOCK_SIZE);
      block.writeUInt32LE(MAGIC_START, 0);
      block.writeUInt32LE(MAGIC_SECOND, 4);
      block.writeUInt32LE(FLAG_FAMILY, 8);
      block.writeUInt32LE(offset, 12);
      block.writeUInt32LE(PAYLOAD, 16);
      block.writeUInt32LE(index, 20);
      block.writeUInt32LE(blocks.length, 24);
      block.writeUInt32LE(family, 28);
      block.set(bytes, DATA_OFFSET);
      block.writeUInt32LE(MAGIC_END, BLOCK_SIZE - 4);
      return block;
    }),
  );
}

/** The family of a UF2 file and its segments, joined where they touch. Throws an {@link ImageFault} `EXPORT_UF2` that names the block. */
export function decodeUf2(file: Buffer): { family: number; segments: Segment[] } {
  if (file.length === 0 || file.length % BLOCK_SIZE !== 0) throw damaged(0, 'these are not whole blocks', `${file.length} bytes`);
  const count = file.length / BLOCK_SIZE;
  const family = file.readUInt32LE(28);
  const segments: { offset: number; parts: Buffer[]; end: number }[] = [];
  for (let index = 0; index < count; index++) {
    const block = file.subarray(index * BLOCK_SIZE, (index + 1) * BLOCK_SIZE);
    const word = (offset: number): number => block.readUInt32LE(offset);
    if (word(0) !== MAGIC_START || word(4) !== MAGIC_SECOND || word(BLOCK_SIZE - 4) !== MAGIC_END)
      throw damaged(index, 'this is not a block of UF2', hex(word(0)));
    if (word(20) !== index || word(24) !== count) throw damaged(index, 'a block is missing or moved', `${word(20)} of ${word(24)}`);
    if ((word(8) & FLAG_FAMILY) === 0 || word(28) !== family) throw damaged(index, 'the block is for another family', hex(word(28)));
    const length = word(16);
    if (length > BLOCK_SIZE - DATA_OFFSET - 4) throw damaged(index, 'the payload is longer than its block', String(length));
    const data = block.subarray(DATA_OFFSET, DATA_OFFSET + length);
    const last = segments.at(-1);
    if (last?.end === word(12)) {
      last.parts.push(data);
      last.end += length;
    } else segments.push({ offset: word(12), parts: [data], end: word(12) + length });
  }
  return { family, segments: segments.map(({ offset, parts }) => ({ offset, bytes: Buffer.concat(parts) })) };
}

function blocksOf({ offset, bytes }: Segment): Segment[] {
  if (offset % PAYLOAD !== 0)
    throw new ImageFault('EXPORT_UF2', 'a segment starts inside a block', { seen: hex(offset), expected: `a multiple of ${PAYLOAD}` });
  return Array.from({ length: Math.ceil(bytes.length / PAYLOAD) }, (_, index) => {
    const block = Buffer.alloc(PAYLOAD, 0xff);
    block.set(bytes.subarray(index * PAYLOAD, (index + 1) * PAYLOAD));
    return { offset: offset + index * PAYLOAD, bytes: block };
  });
}

function damaged(block: number, summary: string, seen: string): ImageFault {
  return new ImageFault('EXPORT_UF2', summary, { where: `block ${block}`, seen, expected: 'UF2 blocks in their order' });
}
