import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import Database from 'libsql';
import t from 'tap';
import { ledgerTests } from './suite.js';

ledgerTests(t, async (t) => {
  const path = join(t.testdir(), 'ledger.db');
  return {
    address: `sqlite:${path}`,
    async sql(text) {
      const database = new Database(path);
      try {
        database.prepare(text).run();
      } finally {
        database.close();
      }
    },
  };
});

t.test('the file is its owner’s alone, whatever the umask', async (t) => {
  const path = join(t.testdir(), 'ledger.db');
  const umask = process.umask(0);
  t.teardown(() => process.umask(umask));
  const ledger = await openLedger(`sqlite:${path}`);
  process.umask(umask);
  for (const name of [path, `${path}-wal`]) t.equal(statSync(name).mode & 0o777, 0o600, name);
  await ledger.close();
  t.match(readFileSync(path, 'latin1').slice(0, 15), 'SQLite format 3');
});

t.test('a file that is none is refused, and left as it is', async (t) => {
  const path = join(t.testdir(), 'ledger.db');
  writeFileSync(path, 'a letter to my grandmother, longer than a header of a database would be: '.repeat(20));
  const before = readFileSync(path);
  await t.rejects(openLedger(`sqlite:${path}`), { code: 'LEDGER_UNUSABLE', where: `the ledger ${path}` });
  t.ok(readFileSync(path).equals(before));
});

t.test('a disk that is full is told as that: SQLite has taken its transaction back by then', async (t) => {
  const path = join(t.testdir(), 'ledger.db');
  const ledger = await openLedger(`sqlite:${path}`);
  t.teardown(() => ledger.close());
  const other = new Database(path);
  t.teardown(() => other.close());
  // It ends a transaction as a full disk does.
  other.exec(`create trigger full before insert on ledger_batches begin select raise(rollback, 'database or disk is full'); end`);
  const plan = () => ledger.plan({ batch: 'b', specDigest: 'd', spec: '{}', devices: 0 }, () => [], 's');
  await t.rejects(plan(), { code: 'LEDGER_UNUSABLE', seen: /database or disk is full/ });
  other.exec('drop trigger full');
  t.equal(await plan(), 'planned');
});

t.test('an address of another kind', async (t) => {
  const error = await openLedger('mysql://root:secret@host/db').catch((refusal: Error) => refusal);
  t.match(error, { code: 'LEDGER_UNUSABLE', expected: /sqlite:PATH/ });
  t.notMatch(String(error), /secret/);
});

t.test('a ledger that another process keeps locked says so in the end', async (t) => {
  const path = join(t.testdir(), 'ledger.db');
  const ledger = await openLedger(`sqlite:${path}`, { patienceMs: 100 });
  t.teardown(() => ledger.close());
  const other = new Database(path);
  t.teardown(() => other.close());
  other.prepare('begin immediate').run();
  const plan = () => ledger.plan({ batch: 'b', specDigest: 'd', spec: '{}', devices: 0 }, () => [], 's');
  await t.rejects(plan(), { code: 'LEDGER_UNREACHABLE', seen: /locked/ });
  other.prepare('rollback').run();
  t.equal(await plan(), 'planned');
});
