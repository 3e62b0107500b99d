import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { ENROLMENT_FILE } from '@zerotouch/azure-wire/enrolment';
import { EFUSE_EXTENSION, efusePath } from '@zerotouch/flash-image/efuse';
import { ManufacturingFault } from '../faults.js';
import { MANIFEST_FILE } from '../manifest.js';
import { IMAGE_FOLDER } from '../out-folder.js';
import type { ImageFile } from './image-facts.js';

/** What a path stands for. */
export type Source =
  /** Images by themselves. */
  | { kind: 'images'; paths: string[] }
  /** The folder of a burnt batch. */
  | { kind: 'batch'; folder: string };

/** A file as it is on the disk. */
export interface OpenedFile {
  bytes: Buffer;
  /** Permission bits. */
  mode: number;
}

/**
 * Finds out what a path stands for: an image, a folder of images, the folder of a batch.
 * @throws ManufacturingFault AUDIT_PATH
 */
export async function sourceAt(path: string): Promise<Source> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw refused(path, `there is nothing to verify (${cause.code})`, cause);
  });
  if (!found.isDirectory()) return { kind: 'images', paths: [path] };
  const names = await readdir(path);
  if ([IMAGE_FOLDER, ENROLMENT_FILE, MANIFEST_FILE].some((name) => names.includes(name))) return { kind: 'batch', folder: path };
  const images = imagesAmong(names);
  if (images.length === 0) throw refused(path, 'the folder holds no image');
  return { kind: 'images', paths: images.map((name) => join(path, name)) };
}

/** The names in a folder, sorted; none where it is missing. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

/** Those that are images. */
export function imagesAmong(names: readonly string[]): string[] {
  return names.filter((name) => name.endsWith('.bin')).sort();
}

/** Those that hold secrets of their own: keys and eFuses. */
export function secretsAmong(names: readonly string[]): string[] {
  return names.filter((name) => name.endsWith('.key') || name.endsWith(EFUSE_EXTENSION));
}

/** A file with its mode; `undefined` where there is none. */
export async function readOpened(path: string): Promise<OpenedFile | undefined> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw refused(path, `the file cannot be read (${error.code})`, error);
  });
  if (file === undefined) return undefined;
  try {
    const { mode } = await file.stat();
    return { bytes: await file.readFile(), mode: mode & 0o777 };
  } catch (cause) {
    throw refused(path, `the file cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  } finally {
    await file.close();
  }
}

/** An image and the eFuse file beside it; `undefined` where there is no image. */
export async function readImage(path: string): Promise<ImageFile | undefined> {
  const [image, efuse] = await Promise.all([readOpened(path), path.endsWith('.bin') ? readOpened(efusePath(path)) : undefined]);
  if (image === undefined) return undefined;
  return { path, ...image, efuse: efuse?.bytes };
}

/** The permission bits of a file; `undefined` where there is none. */
export async function modeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.mode;
}

/** The lines of a text file, one after the other. */
export function linesOf(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY });
}

function refused(path: string, what: string, cause?: unknown): ManufacturingFault {
  return new ManufacturingFault('AUDIT_PATH', what, {
    where: path,
    expected: `an image, a folder of them (*.bin), or the folder of a burnt batch`,
    ...(cause === undefined ? {} : { cause }),
    remedy: `check the path ${JSON.stringify(basename(path))}`,
  });
}
