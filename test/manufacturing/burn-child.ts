// A burn in a process of its own, for tests that kill it: `node burn-child.js SPEC OUT LEDGER [POINT] [IMAGES]`. At the given point of its disk
// and ledger it kills itself, as hard as the system can; after so many images its disk stands still, so that it holds what it has in hand.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import { diskThatStalls, powerThatFails } from './faulty-power.js';

const [spec = '', out = '', address = '', point = '0', images = '0'] = process.argv.slice(2);
const die = (): void => void process.kill(process.pid, 'SIGKILL');
const { files: sound, watch } = powerThatFails(Number(point), die);
const stalled = (): void => {
  // Nothing else may keep it running: signs of life do not.
  process.channel?.ref();
  process.send?.('stalled');
};
const files = images === '0' ? sound : diskThatStalls(sound, Number(images), stalled);
const ledger = await openLedger(address, { files, watch });
const author = { station: hostname(), operator: `process ${process.pid}` };
const onProgress = ({ kind }: { kind: string }): void => {
  if (kind === 'burnt') process.send?.(kind);
};
const options = { out, ledger, files, resume: true, clock: systemClock, entropy: systemEntropy, author, onProgress };
const { burnt, skipped, failed } = await burnBatch(parseSpec(readFileSync(spec, 'utf8'), spec), options);
await ledger.close();
console.log(JSON.stringify({ burnt, skipped, failed }));
