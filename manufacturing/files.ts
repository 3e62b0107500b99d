import { constants } from 'node:fs';
import { chmod, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Modes of what the factory writes, whatever the umask. */
export const MODE = { secret: 0o600, open: 0o644, folder: 0o700 } as const;

/**
 * The file operations of the factory, one step each, so that a test can fail or cut off any of them. Errors are Node's own (`code` ENOSPC,
 * EACCES and so on).
 */
export interface Files {
  /** Makes a folder, and the folders above it, where they are missing. */
  makeFolder(path: string, mode: number): Promise<void>;
  /** Names in a folder; `undefined` where there is none. */
  list(path: string): Promise<string[] | undefined>;
  /** The bytes of a file; `undefined` where there is none. */
  read(path: string): Promise<Buffer | undefined>;
  /** Makes a new file with these bytes and exactly this mode; fails where the name is taken. */
  create(path: string, bytes: Uint8Array, mode: number): Promise<void>;
  /** Adds bytes at the end of a file that is there. */
  append(path: string, bytes: Uint8Array): Promise<void>;
  /** Returns once a file's bytes, or a folder's names, would survive the loss of power. */
  sync(path: string): Promise<void>;
  /** Gives a file another name in one step, taking the place of what had it. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file if it is there. */
  remove(path: string): Promise<void>;
}

/** The files of this machine. */
export const systemFiles: Files = {
  async makeFolder(path, mode) {
    if (await makeWithParents(path, mode)) await chmod(path, mode);
  },
  list: (path) => absentAsUndefined(readdir(path)),
  read: (path) => absentAsUndefined(readFile(path)),
  async create(path, bytes, mode) {
    const file = await open(path, 'wx', mode);
    try {
      await file.chmod(mode);
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
  },
  async append(path, bytes) {
    // Without O_CREAT: a file that somebody took away must not come back as the tail of itself.
    const file = await open(path, constants.O_WRONLY | constants.O_APPEND);
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
  },
  async sync(path) {
    const file = await open(path, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  },
  rename: (from, to) => rename(from, to),
  async remove(path) {
    await absentAsUndefined(unlink(path));
  },
};

// Node's own `recursive` never returns where a folder is there and takes none all the same, as in /proc and on some shares that went away.
async function makeWithParents(path: string, mode: number, parents = true): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    if (parents && (error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(path) !== path) {
      await makeWithParents(dirname(path), mode);
      return makeWithParents(path, mode, false);
    }
    // Another station may have made it meanwhile.
    if (
      await stat(path).then(
        (found) => found.isDirectory(),
        () => false,
      )
    )
      return false;
    throw error;
  }
}

/** The name a file has until it is whole: in the same folder, so that the last step is a rename. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp`);
}

/**
 * Writes a file so that its name only ever stands for the whole of it, also after a loss of power: temporary name, sync, rename, sync of the
 * folder. Nothing temporary is left when a step fails.
 * @param check looks at the file under its temporary name; what it throws keeps the file from its name
 */
export async function writeDurably(
  files: Files,
  path: string,
  bytes: Uint8Array | string,
  mode: number,
  check?: (temporary: string) => Promise<void>,
): Promise<void> {
  await writeNamed(files, path, bytes, mode, check);
  await files.sync(dirname(path));
}

/** The same without the sync of the folder, which is left to the caller: once for many files. */
export async function writeNamed(
  files: Files,
  path: string,
  bytes: Uint8Array | string,
  mode: number,
  check?: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await writeTemporary(files, path, bytes, mode);
    await check?.(temporary);
    await files.rename(temporary, path);
  } catch (error) {
    await files.remove(temporary).catch(() => {});
    throw error;
  }
}

/** A file of a pair that belongs together. */
export interface PairedFile {
  path: string;
  bytes: Uint8Array | string;
  mode: number;
}

/**
 * Writes two files of one folder that are nothing without each other: both are whole under temporary names before the first gets its name, so
 * that {@link finishPair} completes what was cut off in between.
 */
export async function writePairDurably(files: Files, first: PairedFile, second: PairedFile): Promise<void> {
  const pair = [first, second];
  try {
    for (const { path, bytes, mode } of pair) await writeTemporary(files, path, bytes, mode);
    await files.sync(dirname(first.path));
    await files.rename(temporaryName(first.path), first.path);
  } catch (error) {
    for (const { path } of pair) await files.remove(temporaryName(path)).catch(() => {});
    throw error;
  }
  await files.rename(temporaryName(second.path), second.path);
  await files.sync(dirname(first.path));
}

/** Gives the second file of a pair its name, where the first has its own and the power went in between. */
export async function finishPair(files: Files, first: string, second: string): Promise<void> {
  const names = (await files.list(dirname(first))) ?? [];
  if (!names.includes(basename(first)) || names.includes(basename(second)) || !names.includes(basename(temporaryName(second)))) return;
  await files.rename(temporaryName(second), second);
  await files.sync(dirname(second));
}

async function writeTemporary(files: Files, path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  const temporary = temporaryName(path);
  const contents = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  try {
    await files.create(temporary, contents, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // A process that was killed left it.
    await files.remove(temporary);
    await files.create(temporary, contents, mode);
  }
  await files.sync(temporary);
}

/** Bytes that are gathered before they are written. */
const PART_BYTES = 1 << 18;

/**
 * The same for a text that is made while it is written: no more than a part of it is ever in memory.
 */
export async function writePartsDurably(
  files: Files,
  path: string,
  parts: AsyncIterable<string> | Iterable<string>,
  mode: number,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await files.remove(temporary);
    await files.create(temporary, Buffer.alloc(0), mode);
    let gathered: string[] = [];
    let size = 0;
    for await (const part of parts) {
      gathered.push(part);
      size += part.length;
      if (size < PART_BYTES) continue;
      await files.append(temporary, Buffer.from(gathered.join('')));
      gathered = [];
      size = 0;
    }
    if (size > 0) await files.append(temporary, Buffer.from(gathered.join('')));
    await files.sync(temporary);
    await files.rename(temporary, path);
    await files.sync(dirname(path));
  } catch (error) {
    await files.remove(temporary).catch(() => {});
    throw error;
  }
}

async function absentAsUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
