// A thread of `workers.ts`: one more station at a batch that is prepared. It shares nothing with the others but the ledger and the folder.
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { openSources } from './batch-sources.js';
import { runLine } from './burn-line.js';
import { systemFiles } from './files.js';
import { openFlash } from './flash.js';
import { openLedger } from './ledger/ledger.js';
import { systemProcesses } from './ledger/sessions.js';
import type { WorkerOrder, WorkerOutcome } from './workers.js';

const { spec, out, address, author, passphrase, secrets } = workerData as WorkerOrder;
const stop = new AbortController();
parentPort?.once('message', () => stop.abort());

const ledger = await openLedger(address);
try {
  const session = systemEntropy.bytes(16).toString('hex');
  const book = ledger.station({ batch: spec.batch, session, author, processes: systemProcesses });
  await book.open();
  try {
    const base = { spec, out, clock: systemClock, entropy: systemEntropy, files: systemFiles, passphrase, secrets };
    const { sources, individualSecret } = await openSources(base);
    const { idScope, endpoint } = spec;
    const flash = await openFlash(spec, systemFiles);
    const station = { out, idScope, endpoint, files: systemFiles, entropy: systemEntropy, flash, individualSecret, held: () => book.held };
    await runLine({
      spec,
      sources,
      station,
      book,
      clock: systemClock,
      signal: stop.signal,
      onOutcome: ({ device, ...end }) => {
        const outcome: WorkerOutcome = { ...end, registrationId: device.registrationId, attestation: device.group.attestation };
        parentPort?.postMessage(outcome);
      },
    });
  } finally {
    await book.close().catch(() => {});
  }
} finally {
  await ledger.close();
  parentPort?.close();
}
