import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { readSecret } from '@zerotouch/scripts/secret';
import t from 'tap';

const places = { env: { DB: ' postgres://u:hush@h/d\n', EMPTY: '' }, stdin: Readable.from(['from ', 'stdin\n']) };

t.test('a secret comes from the environment, a file or stdin', async (t) => {
  const file = join(t.testdir({ secret: 'in a file\n' }), 'secret');
  t.equal(await readSecret('env:DB', '--ledger', places), 'postgres://u:hush@h/d');
  t.equal(await readSecret(`@${file}`, '--ledger', places), 'in a file');
  t.equal(await readSecret('-', '--ledger', places), 'from stdin');
});

t.test('what is missing or given openly is refused, and not repeated', async (t) => {
  const empty = join(t.testdir(), 'empty');
  writeFileSync(empty, '\n');
  await t.rejects(readSecret('env:NONE', '--to', places), { code: 'SECRET_MISSING', where: '--to env:NONE' });
  await t.rejects(readSecret('env:EMPTY', '--to', places), { code: 'SECRET_MISSING' });
  await t.rejects(readSecret(`@${empty}`, '--to', places), { code: 'SECRET_MISSING' });
  await t.rejects(readSecret('@/nowhere', '--to', places), { code: 'SECRET_MISSING', message: /ENOENT/ });
  const error = await readSecret('postgres://u:hush@h/d', '--ledger', places).catch((refusal: unknown) => refusal);
  t.match(error, { code: 'SECRET_FORM', where: '--ledger', expected: 'env:NAME, @FILE or - (stdin)' });
  t.notMatch(String(error), /hush/);
});
