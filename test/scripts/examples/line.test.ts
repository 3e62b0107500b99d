import { join } from 'node:path';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { runLine } from '@zerotouch/scripts/examples/line';
import t from 'tap';

const spec = `version: 1
batch: small
groups:
  - { enrolmentGroup: x, attestation: x509, registrationId: 'x-{serial}', serial: { start: 1, count: 3 } }
  - { enrolmentGroup: k, attestation: symmetric-key, registrationId: 'k-{serial}', serial: { start: 4, count: 2 } }
  - { enrolment: individual, attestation: symmetric-key, registrationId: 'i-{serial}', serial: { start: 6, count: 2 } }
`;

t.test('the example line burns, verifies, enrols, boots a sample and ships', async (t) => {
  const out = join(t.testdir(), 'out');
  const said: string[] = [];
  const sample = ['x-000001', 'k-000004', 'i-000006'];
  const summary = await runLine({ spec, out, sample, say: (text) => said.push(text) });
  t.match(summary, { burnt: 7, audited: 7, enrolled: { created: 4, updated: 0, unchanged: 0 }, shipped: 7 });
  t.strictSame(Object.keys(summary.booted), sample);
  t.match(Object.values(summary.booted), [/azure-devices\.net$/, /azure-devices\.net$/, /azure-devices\.net$/]);
  t.match(
    said.map((text) => text.split(':')[0]),
    ['burnt', 'verified', 'enrolled', 'booted', 'shipped'],
  );
  const ledger = await openLedger(`sqlite:${join(out, 'ledger.db')}`);
  t.strictSame(await ledger.counts('small'), { shipped: 7 });
  t.match((await ledger.history('x-000001')).at(-1), { from: 'verified', to: 'shipped', station: 'line example' });
  await ledger.close();
});
