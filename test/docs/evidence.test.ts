import { readFileSync } from 'node:fs';
import { evidenceDocument } from '@zerotouch/scripts/docs/evidence';
import t from 'tap';

t.test('docs/evidence.md says what the matrix says; `npm run docs` writes it anew', async (t) => {
  t.equal(readFileSync('docs/evidence.md', 'utf8'), evidenceDocument());
});
