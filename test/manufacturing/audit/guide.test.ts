import { readFileSync } from 'node:fs';
import { FINDINGS } from '@zerotouch/manufacturing/audit/audit';
import t from 'tap';

t.test('the guide lists every finding as the code has it, and no other', (t) => {
  const guide = readFileSync(new URL('../../../../docs/guides/audit.md', import.meta.url), 'utf8');
  const rows = [...guide.matchAll(/^\| `([A-Z_]+)` \| (\w+) \| (.+) \| (.+) \|$/gm)].map(([, ...row]) => row);
  const expected = Object.entries(FINDINGS).map(([code, { severity, reason, remedy }]) => [code, severity, reason, remedy]);
  t.strictSame(rows, expected);
  t.end();
});
