import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { dpsNouns } from '@zerotouch/scripts/operate/dps-nouns';
import { hubNouns } from '@zerotouch/scripts/operate/hub-nouns';
import { addNouns } from '@zerotouch/scripts/operate/nouns';
import { writeState } from '@zerotouch/scripts/state-file';
import { Command } from 'commander';
import type { Test } from 'tap';

/** Runs a verb of `zerotouch dps` or `zerotouch hub` in this process; rejects with its fault. */
export type RunHere = <T = unknown>(...args: string[]) => Promise<T>;

/** The verbs of operators over a cloud of the test. @returns how to run one, and the folder with its state file */
export function verbsOver(t: Test, cloud: Cloud): { zt: RunHere; folder: string } {
  const folder = t.testdir();
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, cloud.ca);
  const file = join(folder, '.zerotouch', 'cloud.json');
  writeState({ ready: true, dps: cloud.dps, hubs: [...cloud.hubs], arm: cloud.arm, ca }, file);
  const zt: RunHere = async <T>(...args: string[]) => {
    let said: unknown;
    const program = new Command('zerotouch').exitOverride().configureOutput({ writeErr: () => {} });
    const output = {
      event: () => {},
      result: (line: unknown) => {
        said = line;
      },
    };
    const signal = new AbortController().signal;
    const progress = () => ({ update: () => {}, stop: () => {} });
    addNouns(program, async (work) => void (await work({ output, signal, quiet: true, progress } as never)), [...dpsNouns, ...hubNouns]);
    await program.parseAsync([...args, '--cloud', file], { from: 'user' });
    return said as T;
  };
  return { zt, folder };
}
