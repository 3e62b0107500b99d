import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isSettings, type Settings } from './settings.js';

/** The settings with which the device last reached its hub, kept across restarts. */
export interface LastGood {
  /** Undefined when there are none, or they cannot be read or understood. */
  read(): Settings | undefined;
  /** Keeps them, whole or not at all. */
  keep(settings: Settings): void;
}

/** Kept in a folder: systemd's `STATE_DIRECTORY`. */
export function lastGoodIn(folder: string): LastGood {
  const file = join(folder, 'last-good.json');
  return {
    read() {
      try {
        const kept: unknown = JSON.parse(readFileSync(file, 'utf8'));
        return isSettings(kept) ? kept : undefined;
      } catch {
        return undefined;
      }
    },
    keep(settings) {
      mkdirSync(folder, { recursive: true });
      const aside = `${file}.new`;
      const open = openSync(aside, 'w', 0o600);
      try {
        writeSync(open, JSON.stringify(settings));
        fsyncSync(open);
      } finally {
        closeSync(open);
      }
      renameSync(aside, file);
    },
  };
}

/** For an agent that has no folder of its own: kept while it runs. */
export function lastGoodInMemory(): LastGood {
  let kept: Settings | undefined;
  return {
    read: () => kept,
    keep(settings) {
      kept = settings;
    },
  };
}
