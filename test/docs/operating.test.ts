import { readFileSync } from 'node:fs';
import { operatingDocument } from '@zerotouch/scripts/docs/operating';
import t from 'tap';

t.test('docs/guides/operating.md says what the command has; `npm run docs` writes it anew', async (t) => {
  t.equal(readFileSync('docs/guides/operating.md', 'utf8'), operatingDocument());
});
