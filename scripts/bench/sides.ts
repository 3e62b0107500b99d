import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';

/** One side of a bench: a process of its own that does as it is told. @param script beside this file */
export function forkSide(script: string, execPath = process.execPath, execArgv: string[] = []): ChildProcess {
  return fork(fileURLToPath(new URL(script, import.meta.url)), { execPath, execArgv, serialization: 'json' });
}

/** An order to a side, and its answer. @throws Error when the side ends instead */
export async function askSide<T>(side: ChildProcess, order: { readonly kind: string }): Promise<T> {
  side.send(order);
  const over = new AbortController();
  try {
    const ended = once(side, 'exit', { signal: over.signal }).then(([code]): never => {
      throw new Error(`a side of the bench ended with ${code} at ${order.kind}`);
    });
    ended.catch(() => undefined);
    const [answer] = (await Promise.race([once(side, 'message', { signal: over.signal }), ended])) as [T];
    return answer;
  } finally {
    over.abort();
  }
}

/** Burns a batch of so many X.509 devices into a temporary folder, which is gone afterwards. */
export async function withBatch<T>(count: number, work: (folder: string, batch: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'zerotouch-bench-'));
  try {
    const batch = join(folder, 'batch');
    const text = `version: 1\nbatch: bench\ngroups:\n  - { enrolmentGroup: bench, attestation: x509, registrationId: "pump-{serial}", serial: { count: ${count} }, initialTwin: { desired: { interval: 30 } } }\n`;
    await burnBatch(parseSpec(text, 'bench.yaml'), { out: batch, clock: systemClock, entropy: systemEntropy });
    return await work(folder, batch);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The image files of a batch, in their order. */
export function imagesOf(batch: string): string[] {
  const folder = join(batch, 'images');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.bin'))
    .map((name) => join(folder, name));
}
