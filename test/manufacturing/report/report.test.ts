import type { Finding } from '@zerotouch/manufacturing/audit/audit';
import { batchReport } from '@zerotouch/manufacturing/report/report';
import t from 'tap';

const finding = (more: Partial<Finding>): Finding => ({
  image: 'images/pump-1.bin',
  code: 'ID_UPPER_CASE',
  severity: 'warning',
  where: 'partition fctry',
  reason: 'as it is told',
  remedy: 'use lower case',
  ...more,
});

const reportOf = (findings: readonly Finding[]): string =>
  batchReport({
    head: { version: 2, batch: 'seven', idScope: '0ne00000A1B', endpoint: 'dps', tool: 'zerotouch', madeAt: '2026-01-02T03:04:05.000Z' },
    manifestHash: 'ab'.repeat(32),
    groups: [],
    audit: { images: 100, errors: 1, warnings: 100, findings },
    madeAt: 0,
  });

t.test('one mistake of a whole batch is one row, and an error is never behind it', async (t) => {
  const many = Array.from({ length: 100 }, (_, index) => finding({ image: `images/pump-${index}.bin` }));
  const page = reportOf([...many, finding({ code: 'KEY_MISSING', severity: 'error', image: 'images/pump-7.bin' })]);
  const rows = [...page.matchAll(/<tr><td>(error|warning)<\/td><td>(\w+)<\/td><td>(\d+)<\/td>.*?<\/tr>/g)];
  t.strictSame(
    rows.map(([, ...cells]) => cells),
    [
      ['error', 'KEY_MISSING', '1'],
      ['warning', 'ID_UPPER_CASE', '100'],
    ],
  );
  t.match(rows[1]?.[0], /images\/pump-0\.bin: partition fctry.*; images\/pump-2\.bin: partition fctry.*; and 97 more/);
});
