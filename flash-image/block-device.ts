import { closeSync, constants, fstatSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { hex, ImageFault } from './faults.js';
import type { Storage } from './storage.js';
import { attempt, checkRange } from './storage-access.js';

/** What reads and writes whole blocks only. Offsets and lengths are multiples of `blockSize`. */
export interface BlockDevice {
  /** Bytes. */
  readonly size: number;
  readonly blockSize: number;
  read(offset: number, length: number): Buffer;
  write(offset: number, bytes: Uint8Array): void;
  sync(): void;
  close(): void;
}

/** The kernel counts a device in these, whatever its blocks are. Source: Linux, Documentation/ABI/stable/sysfs-block. */
const SYSFS_SECTOR = 512;
/** Where the size of a device is told that has a number of its own. */
const SYSFS = '/sys/dev/block';

/**
 * Storage over blocks: what a write does not cover of a block is read first and written back as it was. A power cut inside a block is the
 * device's own affair; disks and cards write a sector whole or not at all.
 */
export function blockStorage(device: BlockDevice, where: string): Storage {
  const { size, blockSize } = device;
  const covering = (offset: number, length: number): { start: number; end: number } => ({
    start: offset - (offset % blockSize),
    end: Math.ceil((offset + length) / blockSize) * blockSize,
  });
  const put = (offset: number, bytes: Uint8Array): void => {
    checkRange(where, size, offset, bytes.length);
    if (bytes.length === 0) return;
    const { start, end } = covering(offset, bytes.length);
    const blocks = start === offset && end === offset + bytes.length ? bytes : device.read(start, end - start);
    if (blocks !== bytes) blocks.set(bytes, offset - start);
    device.write(start, blocks);
  };
  return {
    size,
    read(offset, length) {
      checkRange(where, size, offset, length);
      if (length === 0) return Buffer.alloc(0);
      const { start, end } = covering(offset, length);
      return device.read(start, end - start).subarray(offset - start, offset - start + length);
    },
    write: put,
    erase(offset, length) {
      checkRange(where, size, offset, length);
      put(offset, Buffer.alloc(length, 0xff));
    },
    sync: () => device.sync(),
    close: () => device.close(),
  };
}

/**
 * Storage over a Linux block device: `/dev/mmcblk0p4`, `/dev/disk/by-partlabel/zerotouch`, `/dev/mtdblock0` (where the kernel erases and
 * programs the chip). Opened for this process alone, which mounted file systems and other devices respect, and gone with the process however
 * that ends; each write is on the medium when it returns (`O_SYNC`).
 * @throws ImageFault STORAGE_BUSY when somebody else has it, STORAGE_IO, STORAGE_READ_ONLY
 */
export function blockDeviceStorage(path: string, { readOnly = false }: { readOnly?: boolean } = {}): Storage {
  const flags = readOnly ? constants.O_RDONLY : constants.O_RDWR | constants.O_SYNC | constants.O_EXCL;
  let file: number;
  try {
    file = attempt(path, 'open', () => openSync(path, flags));
  } catch (error) {
    if (!(error instanceof ImageFault) || (error.cause as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    throw new ImageFault('STORAGE_BUSY', 'the device is in use: by another process, or as a mounted file system', {
      where: path,
      remedy: `\`lsblk ${path}\` and \`fuser ${path}\` tell by whom`,
      cause: error,
    });
  }
  try {
    const { size, blockSize } = attempt(path, 'measure', () => geometry(fstatSync(file).rdev));
    return blockStorage(
      {
        size,
        blockSize,
        read: (offset, length) => {
          const bytes = Buffer.allocUnsafe(length);
          transfer(path, length, (done) => readSync(file, bytes, done, length - done, offset + done));
          return bytes;
        },
        write: (offset, bytes) => {
          if (readOnly)
            throw new ImageFault('STORAGE_READ_ONLY', 'the device was opened for reading only', {
              where: `${path}, offset ${hex(offset)}`,
            });
          transfer(path, bytes.length, (done) => writeSync(file, bytes, done, bytes.length - done, offset + done));
        },
        sync: () => attempt(path, 'sync', () => fsyncSync(file)),
        close: () => closeSync(file),
      },
      path,
    );
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function transfer(path: string, length: number, some: (done: number) => number): void {
  for (let done = 0; done < length; ) {
    const count = attempt(path, 'reach', () => some(done));
    if (count === 0)
      throw new ImageFault('IMAGE_SHORT', 'the device ends here', { where: path, seen: `${length - done} bytes are missing` });
    done += count;
  }
}

/** @param device the number of the device. Source: glibc, gnu_dev_major and gnu_dev_minor */
function geometry(device: number): { size: number; blockSize: number } {
  const number = BigInt(device);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn);
  const minor = (number & 0xffn) | ((number >> 12n) & ~0xffn);
  const folder = `${SYSFS}/${major}:${minor}`;
  const size = Number(readFileSync(`${folder}/size`, 'utf8')) * SYSFS_SECTOR;
  return { size, blockSize: Number(blockSizeOf(folder)) };
}

/** A partition has the blocks of its disk. */
function blockSizeOf(folder: string): string {
  try {
    return readFileSync(`${folder}/queue/logical_block_size`, 'utf8');
  } catch {
    return readFileSync(`${folder}/../queue/logical_block_size`, 'utf8');
  }
}
