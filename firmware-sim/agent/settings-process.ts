import { execFile } from 'node:child_process';
import { SettingsFault } from './faults.js';
import type { Settings } from './settings.js';

/**
 * Reads settings by `zerotouch-device settings FILE` in a process of its own, which is gone with its parser and its validator before the device is on.
 * @param command the script of the command
 * @throws SettingsFault with the command's own line
 */
export function readSettingsApart(command: string, file: string): Promise<Settings> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [command, 'settings', file, '--json'], (error, stdout, stderr) => {
      if (error === null) return resolve(JSON.parse(stdout) as Settings);
      // What was said last is the reason; a runtime may have warned before.
      const line =
        stderr
          .trim()
          .split('\n')
          .at(-1)
          ?.replace(/^zerotouch-device: /, '') ?? '';
      const code = typeof error.code === 'number' && line !== '' ? 'SETTINGS_INVALID' : 'SETTINGS_UNREADABLE';
      reject(new SettingsFault(code, line === '' ? error.message : line));
    });
  });
}
