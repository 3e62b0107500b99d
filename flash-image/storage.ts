import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { blockDeviceStorage } from './block-device.js';
import { hex, ImageFault } from './faults.js';
import { attempt, checkRange } from './storage-access.js';

/**
 * Bytes that can be read, programmed and erased at an offset: a flash chip, a file that stands for one, or a part of either.
 * Synchronous, as flash is. Every access outside of it is an {@link ImageFault} `STORAGE_RANGE`.
 */
export interface Storage {
  /** Bytes. */
  readonly size: number;
  /** A copy of `length` bytes from `offset`. */
  read(offset: number, length: number): Buffer;
  /** Puts the bytes at `offset`. What was there before is overwritten; keeping to NOR rules is the caller's part. */
  write(offset: number, bytes: Uint8Array): void;
  /** Sets `length` bytes from `offset` to FF. */
  erase(offset: number, length: number): void;
  /** Returns once everything written would survive the loss of power of the machine. */
  sync(): void;
  /** Gives back what it holds; not usable afterwards. A region leaves its parent open. */
  close(): void;
}

/** Storage over bytes in memory; the given bytes themselves change. */
export function memoryStorage(bytes: Uint8Array): Storage {
  const memory = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    size: memory.length,
    read(offset, length) {
      checkRange('memory', memory.length, offset, length);
      return Buffer.from(memory.subarray(offset, offset + length));
    },
    write(offset, written) {
      checkRange('memory', memory.length, offset, written.length);
      memory.set(written, offset);
    },
    erase(offset, length) {
      checkRange('memory', memory.length, offset, length);
      memory.fill(0xff, offset, offset + length);
    },
    sync() {},
    close() {},
  };
}

/**
 * Storage over a file, by positional reads and writes: the file keeps its size and is never rewritten as a whole. A block device is one too
 * ({@link blockDeviceStorage}): a partition of an SD card, `/dev/mtdblock0`.
 * With `readOnly`, writes and erases are an {@link ImageFault} `STORAGE_READ_ONLY`.
 */
export function fileStorage(path: string, { readOnly = false }: { readOnly?: boolean } = {}): Storage {
  const file = attempt(path, 'open', () => openSync(path, readOnly ? 'r' : 'r+'));
  const status = attempt(path, 'examine', () => fstatSync(file));
  if (!status.isFile()) {
    closeSync(file);
    if (status.isBlockDevice()) return blockDeviceStorage(path, { readOnly });
    throw new ImageFault('STORAGE_IO', 'this is not a file', {
      where: path,
      expected: 'a flash image in a regular file, or in a block device',
      ...(status.isCharacterDevice() && /\/mtd\d+(ro)?$/.test(path)
        ? {
            remedy: `an MTD device is opened as ${path.replace(/mtd(\d+)(ro)?$/, 'mtdblock$1')}: to erase a character device takes a call that Node does not have`,
          }
        : {}),
    });
  }
  const size = status.size;
  const put = (offset: number, bytes: Uint8Array): void => {
    if (readOnly)
      throw new ImageFault('STORAGE_READ_ONLY', 'the image was opened for reading only', { where: `${path}, offset ${hex(offset)}` });
    checkRange(path, size, offset, bytes.length);
    attempt(path, 'write', () => {
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, offset + done);
    });
  };
  return {
    size,
    read(offset, length) {
      checkRange(path, size, offset, length);
      const bytes = Buffer.allocUnsafe(length);
      for (let done = 0; done < length; ) {
        const count = attempt(path, 'read', () => readSync(file, bytes, done, length - done, offset + done));
        if (count === 0) {
          throw new ImageFault('IMAGE_SHORT', 'the file became shorter while it was open', {
            where: `${path}, offset ${hex(offset + done)}`,
          });
        }
        done += count;
      }
      return bytes;
    },
    write: put,
    erase: (offset, length) => {
      checkRange(path, size, offset, length);
      put(offset, Buffer.alloc(length, 0xff));
    },
    sync: () => attempt(path, 'sync', () => fsyncSync(file)),
    close: () => closeSync(file),
  };
}

/** The `size` bytes of a storage from `offset`, as a storage of its own whose offsets start at 0. */
export function region(storage: Storage, offset: number, size: number): Storage {
  checkRange('region', storage.size, offset, size);
  const within = (start: number, length: number): number => {
    checkRange(`region at ${hex(offset)}`, size, start, length);
    return offset + start;
  };
  return {
    size,
    read: (start, length) => storage.read(within(start, length), length),
    write: (start, bytes) => storage.write(within(start, bytes.length), bytes),
    erase: (start, length) => storage.erase(within(start, length), length),
    sync: () => storage.sync(),
    close() {},
  };
}
