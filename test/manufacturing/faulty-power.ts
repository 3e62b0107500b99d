import { type Files, systemFiles } from '@zerotouch/manufacturing/files';
import type { CommitWatch } from '@zerotouch/manufacturing/ledger/database';

/** What a process does while its power lasts. */
export interface Power {
  files: Files;
  watch: CommitWatch;
  /** Every point that was passed, in order: `create images/.x.bin.tmp`, `before issue`. */
  passed: string[];
}

/**
 * Counts every write, sync, rename, removal and commit of a burn, and lets `strike` act at one of them. After `strike` threw, nothing works any
 * more: what a process that was killed would not have done, this one cannot do either.
 * @param at the point at which to strike, from 1; 0 for never
 */
export function powerThatFails(at: number, strike: (name: string) => void): Power {
  const passed: string[] = [];
  let dead: unknown;
  const point = (name: string): void => {
    if (dead !== undefined) throw dead;
    passed.push(name);
    if (passed.length !== at) return;
    try {
      strike(name);
    } catch (error) {
      dead = error;
      throw error;
    }
  };
  const short = (path: string): string => path.split('/').slice(-2).join('/');
  const step = async <T>(name: string, path: string, work: () => Promise<T>): Promise<T> => {
    point(`${name} ${short(path)}`);
    return work();
  };
  const alive = <T>(work: () => Promise<T>): Promise<T> => (dead === undefined ? work() : Promise.reject(dead));
  const files: Files = {
    makeFolder: (path, mode) => step('make', path, () => systemFiles.makeFolder(path, mode)),
    list: (path) => alive(() => systemFiles.list(path)),
    read: (path) => alive(() => systemFiles.read(path)),
    // A file that is cut off while it is written has a part of its bytes.
    create: async (path, bytes, mode) => {
      await step('create', path, () => systemFiles.create(path, bytes.subarray(0, bytes.length >> 1), mode));
      await step('write', path, () => systemFiles.append(path, bytes.subarray(bytes.length >> 1)));
    },
    append: (path, bytes) => step('append', path, () => systemFiles.append(path, bytes)),
    sync: (path) => step('sync', path, () => systemFiles.sync(path)),
    rename: (from, to) => step('rename to', to, () => systemFiles.rename(from, to)),
    remove: (path) => step('remove', path, () => systemFiles.remove(path)),
  };
  return { files, watch: (moment) => point(moment), passed };
}

/** A disk that takes so many images, and no more: whoever writes the next one waits for ever, and `stalled` is told of it once. */
export function diskThatStalls(files: Files, images: number, stalled: () => void): Files {
  let left = images;
  return {
    ...files,
    create: async (path, bytes, mode) => {
      if (path.includes('/images/')) left -= 1;
      if (left === -1) stalled();
      return left < 0 ? new Promise<void>(() => {}) : files.create(path, bytes, mode);
    },
  };
}
