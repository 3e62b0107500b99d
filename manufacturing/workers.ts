import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { CustodySecrets } from './custody.js';
import type { Author } from './ledger/records.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';

/** What a worker burns; it is copied into its thread. */
export interface WorkerOrder extends CustodySecrets {
  spec: BatchSpec;
  out: string;
  /** Address of the ledger. Secret. */
  address: string;
  author: Author;
}

/** How one device ended in a worker. */
export type WorkerOutcome = { registrationId: string; attestation: GroupSpec['attestation'] } & ({ image: string } | { reason: string });

/**
 * Burns what is left of a batch that is prepared, in threads of this process: each is a station of its own. They use the files, the clock and
 * the entropy of the system.
 * @param signal ends all of them early: devices under way are finished
 * @throws what the first of them that failed threw, once all have ended
 */
export async function runWorkers(
  order: WorkerOrder,
  { workers, signal, onOutcome }: { workers: number; signal: AbortSignal | undefined; onOutcome: (outcome: WorkerOutcome) => void },
): Promise<void> {
  const threads = Array.from({ length: workers }, () => new Worker(new URL('./burn-worker.js', import.meta.url), { workerData: order }));
  const stop = (): void => {
    for (const thread of threads) thread.postMessage('stop');
  };
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    const ends = await Promise.allSettled(
      threads.map(async (thread) => {
        thread.on('message', onOutcome);
        // Rejects with what the thread threw; the others finish what they have in hand.
        await once(thread, 'exit').catch((error: unknown) => {
          stop();
          throw error;
        });
      }),
    );
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
