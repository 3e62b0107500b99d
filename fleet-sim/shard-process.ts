import { lockImages } from './image-locks.js';
import { factoryIn } from './images.js';
import { emptyTally } from './metrics.js';
import { Shard } from './shard.js';
import type { FromShard, ToShard } from './shard-messages.js';
import type { Tracing } from './trace/tracing.js';

/** The process of one shard of a fleet: it is told what to do by messages, and ends with whoever started it. */

/** How often the figures are told, milliseconds. */
const TELL_MS = 500;

let shard: Shard | undefined;
const locks: Disposable[] = [];
let tracing: Tracing | undefined;
let telling: NodeJS.Timeout | undefined;

const tell = (message: FromShard): void => {
  process.send?.(message);
};

process.on('message', (message: ToShard) => {
  handle(message).catch((error: unknown) => {
    const { code = 'INTERNAL', message: said = String(error) } = error as { code?: string; message?: string };
    tell({ kind: 'fault', code, message: said });
  });
});
process.on('disconnect', () => process.exit(0));
process.on('exit', () => {
  for (const lock of locks) lock[Symbol.dispose]();
});
// Ctrl-C reaches the whole group: the fleet itself says when to end.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

async function handle(message: ToShard): Promise<void> {
  switch (message.kind) {
    case 'prepare':
      tell({ kind: 'prepared', registrationIds: message.images.map((image) => factoryIn(image).registrationId) });
      break;
    case 'run': {
      const { order } = message;
      const { awaitsImages = false, writeBack } = order;
      if (writeBack && !awaitsImages) locks.push(lockImages(order.devices.map(({ image }) => image)));
      if (order.traceTo !== undefined) {
        const { openTracing } = await import('./trace/tracing.js');
        tracing = openTracing(order.traceTo, { service: 'zerotouch-fleet', onTrouble: (detail) => tell({ kind: 'untold', detail }) });
      }
      const running = new Shard(order, {
        wants: (images) => tell({ kind: 'wants', images }),
        ...(tracing === undefined ? {} : { trace: tracing.api }),
      });
      shard = running;
      telling = setInterval(() => tell({ kind: 'tally', tally: running.tally() }), TELL_MS);
      await Promise.all([running.run(), running.settled]);
      clearInterval(telling);
      tell({ kind: 'settled', tally: running.tally() });
      telling = setInterval(() => tell({ kind: 'tally', tally: running.tally() }), TELL_MS).unref();
      break;
    }
    case 'pause':
      shard?.pause();
      break;
    case 'resume':
      shard?.resume();
      break;
    case 'cut':
      await shard?.cutPower(message.which, message.forMs);
      break;
    case 'burnt':
      if (shard?.writesBack === true) locks.push(lockImages(message.images));
      shard?.burnt(message.images);
      break;
    case 'unburnt':
      shard?.unburnt(message.image, message.reason);
      break;
    case 'end': {
      clearInterval(telling);
      // Copied: switching off is counted, too.
      const tally = structuredClone(shard?.tally() ?? emptyTally());
      await shard?.end();
      await tracing?.[Symbol.asyncDispose]();
      tell({ kind: 'ended', tally });
    }
  }
}
