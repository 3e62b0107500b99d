import { readFileSync } from 'node:fs';
import { bootTablesDocument } from '@zerotouch/scripts/docs/boot-tables';
import t from 'tap';

t.test('docs/boot-tables.md says what the tables say; `npm run docs` writes it anew', async (t) => {
  t.equal(readFileSync('docs/boot-tables.md', 'utf8'), bootTablesDocument());
});
