import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Memory } from '@zerotouch/firmware-sim/boot/memory';
import type { MountedFlash } from '@zerotouch/firmware-sim/boot/ports';
import type { Attestation } from '@zerotouch/firmware-sim/identity/attestation';
import { type Identity, readIdentity } from '@zerotouch/firmware-sim/identity/identity';
import { readEfuseBeside } from '@zerotouch/flash-image/efuse';
import { DEVICE_PARTITION, type FlashImage, openImage } from '@zerotouch/flash-image/image';
import { findPartition } from '@zerotouch/flash-image/layout';
import type { Storage } from '@zerotouch/flash-image/storage';
import { inFileSync } from '@zerotouch/foundation/command/failure';
import { FleetFault } from './faults.js';

/** The images of a batch, or of a folder of images, in the order of their names. @throws FleetFault IMAGES_MISSING */
export async function listImages(folder: string, most = Number.POSITIVE_INFINITY): Promise<string[]> {
  const missing = (cause?: unknown): FleetFault =>
    new FleetFault('IMAGES_MISSING', 'there are no images here', {
      where: folder,
      expected: 'the folder of a burnt batch, or a folder of .bin images',
      remedy: 'burn one with zerotouch burn SPEC --out DIR',
      ...(cause === undefined ? {} : { cause }),
    });
  const own = await readdir(folder).catch((error: unknown) => {
    throw missing(error);
  });
  const inner = own.includes('images') ? join(folder, 'images') : folder;
  const names = inner === folder ? own : await readdir(inner);
  const images = names.filter((name) => name.endsWith('.bin')).sort();
  if (images.length === 0) throw missing();
  if (most !== Number.POSITIVE_INFINITY && images.length < most) {
    throw new FleetFault('IMAGES_MISSING', 'there are fewer images than devices', {
      where: inner,
      seen: images.length,
      expected: `${most}, as the spec says in devices`,
      remedy: 'burn more, or say fewer',
    });
  }
  return images.slice(0, most).map((name) => join(inner, name));
}

/** Every image is read into this once, and what is needed of it is copied out. */
let scratch = Buffer.alloc(0x20000);
const CHUNK = 256;
const ERASED = Buffer.alloc(CHUNK, 0xff);

/**
 * The flash of one device of a fleet: an image file that is only read, and in memory the partition that the device writes, without what is erased
 * in it. No file stays open: a fleet has better uses for its descriptors. With `writeBack`, each sync puts what was written into the file.
 */
class FleetStorage implements Storage {
  readonly size: number;
  readonly #path: string;
  readonly #writeBack: boolean;
  readonly #chunks = new Map<number, Buffer>();
  readonly #dirty = new Set<number>();
  #own: { start: number; end: number } = { start: 0, end: 0 };
  #loaded: Buffer | undefined;

  constructor(path: string, writeBack: boolean) {
    this.#path = path;
    this.#writeBack = writeBack;
    this.#loaded = this.#load();
    this.size = this.#loaded.length;
  }

  /** Keeps one partition in memory and lets go of the rest, which nobody asks for after the boot. */
  settle({ offset, size }: { offset: number; size: number }): void {
    const image = this.#loaded;
    this.#loaded = undefined;
    if (image === undefined) return;
    this.#own = { start: offset, end: offset + size };
    for (let start = offset; start < offset + size; start += CHUNK) {
      const bytes = image.subarray(start, start + CHUNK);
      if (!this.#chunks.has(start) && !bytes.equals(ERASED)) this.#chunks.set(start, Buffer.from(bytes));
    }
  }

  read(offset: number, length: number): Buffer {
    const inside = offset >= this.#own.start && offset + length <= this.#own.end;
    const bytes = inside ? Buffer.alloc(length, 0xff) : Buffer.from((this.#loaded ?? this.#load()).subarray(offset, offset + length));
    for (let start = offset - (offset % CHUNK); start < offset + length; start += CHUNK) {
      const chunk = this.#chunks.get(start);
      chunk?.copy(bytes, Math.max(0, start - offset), Math.max(0, offset - start), Math.min(CHUNK, offset + length - start));
    }
    return bytes;
  }

  write(offset: number, written: Uint8Array): void {
    for (let done = 0; done < written.length; ) {
      const within = (offset + done) % CHUNK;
      const start = offset + done - within;
      const part = written.subarray(done, done + CHUNK - within);
      const chunk = this.#chunks.get(start) ?? this.read(start, CHUNK);
      chunk.set(part, within);
      this.#chunks.set(start, chunk);
      if (this.#writeBack) this.#dirty.add(start);
      done += part.length;
    }
  }

  erase(offset: number, length: number): void {
    this.write(offset, Buffer.alloc(length, 0xff));
  }

  sync(): void {
    if (this.#dirty.size === 0) return;
    const file = openSync(this.#path, 'r+');
    try {
      for (const start of this.#dirty) writeSync(file, this.#chunks.get(start) ?? ERASED, 0, CHUNK, start);
    } finally {
      closeSync(file);
    }
    this.#dirty.clear();
  }

  close(): void {}

  #load(): Buffer {
    const file = openSync(this.#path, 'r');
    try {
      let size = 0;
      for (;;) {
        const count = readSync(file, scratch, size, scratch.length - size, size);
        size += count;
        if (count === 0) return scratch.subarray(0, size);
        if (size === scratch.length) scratch = Buffer.concat([scratch, Buffer.alloc(scratch.length)]);
      }
    } finally {
      closeSync(file);
    }
  }
}

/** Who is in an image, and for which DPS. @throws FleetFault IMAGE_UNUSABLE naming the file */
export function factoryIn(path: string): { readonly registrationId: string; readonly idScope: string } {
  try {
    return open(path, new FleetStorage(path, false)).factory;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new FleetFault('IMAGE_UNUSABLE', said.startsWith(path) ? said : `${path}: ${said}`, { remedy: 'burn it again', cause });
  }
}

/** The flash of a device, which survives its power cuts. */
export class FleetFlash {
  readonly #path: string;
  readonly #writeBack: boolean;
  readonly #chip: ((cells: Storage) => Storage) | undefined;
  #storage: FleetStorage | undefined;

  /** @param chip stands between the device and what holds its flash: a chip that can fail */
  constructor(path: string, writeBack: boolean, chip?: (cells: Storage) => Storage) {
    this.#path = path;
    this.#writeBack = writeBack;
    this.#chip = chip;
  }

  /** Reads the image, where that has not been done. @throws Fault when it cannot be */
  load(): Storage {
    this.#storage ??= inFileSync(this.#path, () => new FleetStorage(this.#path, this.#writeBack));
    return this.#chip?.(this.#storage) ?? this.#storage;
  }

  /** @throws Fault when the image cannot be used */
  mount(): MountedFlash {
    const image = open(this.#path, this.load());
    const identity = inFileSync(this.#path, () => identityIn(image));
    const memory = new Memory(image.nvs);
    this.#storage?.settle(findPartition(image.layout, DEVICE_PARTITION));
    // What a chip holds when its power goes stays in it.
    return { identity: () => identity, memory, close: () => this.#storage?.sync() };
  }
}

function open(path: string, storage: Storage): FlashImage {
  return inFileSync(path, () => {
    const efuse = readEfuseBeside(path);
    return openImage(storage, efuse === undefined ? {} : { efuse });
  });
}

// Whether key and certificate belong together is asked again when TLS takes them, and the name is for DPS to judge: a fleet need not ask twice.
function identityIn(image: FlashImage): Identity {
  const { factory, secureCert } = image;
  if (secureCert?.privateKey === undefined || factory.symmetricKey !== undefined) return readIdentity(image);
  const attestation: Attestation = { kind: 'x509', certificate: secureCert.deviceCertificate, privateKey: secureCert.privateKey };
  const { idScope, endpoint, registrationId, serial } = factory;
  return { idScope, endpoint, registrationId, serial, attestation };
}
