import { readFileSync } from 'node:fs';
import { badDaysDocument } from '@zerotouch/scripts/docs/bad-days';
import t from 'tap';

t.test('docs/guides/bad-days.md says what the scenarios say; `npm run docs` writes it anew', async (t) => {
  t.equal(readFileSync('docs/guides/bad-days.md', 'utf8'), badDaysDocument());
});
