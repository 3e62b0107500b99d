// A worked example: a factory line from spec to shipping, against a local cloud that it starts itself.
//   node scripts/build/examples/run-line.js [DEVICES] [x509|symmetric-key] [OUT]
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runLine } from './line.js';

const [devices = '20', attestation = 'x509', out = join(mkdtempSync(join(tmpdir(), 'line-')), 'batch')] = process.argv.slice(2);
const spec = `version: 1
batch: line
groups:
  - enrolmentGroup: line-1
    attestation: ${attestation}
    registrationId: pump-{serial}
    serial: { count: ${devices} }
    initialTwin: { desired: { interval: 30 } }
`;
const sample = ['pump-000001', `pump-${devices.padStart(6, '0')}`];
const summary = await runLine({ spec, out, sample: [...new Set(sample)], say: (text) => console.log(text) });
console.log(JSON.stringify({ ...summary, out }));
