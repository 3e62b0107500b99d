// A burn in a process of its own, for tests that kill it: `node burn-child.js SPEC OUT LEDGER [POINT] [DEVICES]`. At the given point of its disk
// and ledger, or when it has burnt so many devices, it kills itself, as hard as the system can.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import { powerThatFails } from './faulty-power.js';

const [spec = '', out = '', address = '', point = '0', devices = '0'] = process.argv.slice(2);
const die = (): void => void process.kill(process.pid, 'SIGKILL');
const { files, watch } = powerThatFails(Number(point), die);
const ledger = await openLedger(address, { files, watch });
const author = { station: hostname(), operator: `process ${process.pid}` };
let done = 0;
const onProgress = ({ kind }: { kind: string }): void => {
  if (kind !== 'burnt') return;
  done += 1;
  if (done === Number(devices)) die();
  process.send?.(kind);
};
const options = { out, ledger, files, resume: true, clock: systemClock, entropy: systemEntropy, author, onProgress };
const { burnt, skipped, failed } = await burnBatch(parseSpec(readFileSync(spec, 'utf8'), spec), options);
await ledger.close();
console.log(JSON.stringify({ burnt, skipped, failed }));
