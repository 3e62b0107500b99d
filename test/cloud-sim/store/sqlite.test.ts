import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serviceStore } from '@zerotouch/cloud-sim/store/service-store';
import { sqliteStore } from '@zerotouch/cloud-sim/store/sqlite/sqlite';
import { statements } from '@zerotouch/cloud-sim/store/sqlite/table';
import type { Table } from '@zerotouch/cloud-sim/store/store';
import Libsql from 'libsql';
import t from 'tap';
import { certificate, registration, storeContract } from './contract.js';

storeContract(t, async (t) => {
  const store = await sqliteStore(t.testdir());
  t.teardown(() => store.close());
  return store;
});

t.test('everything is there again', async (t) => {
  const folder = join(t.testdir(), 'new', 'folder');
  const store = await sqliteStore(folder);
  await store.certificates.update('a', () => certificate('a'));
  const late = store.registrations.update('d', () => registration('d', 'g'));
  await Promise.all([late, store.close(), store.close()]);
  await t.rejects(store.certificates.get('a'), { code: 'CLOSED' });
  const again = await sqliteStore(folder);
  t.strictSame(await again.certificates.list(), [certificate('a')]);
  t.strictSame(await again.registrations.get('d'), registration('d', 'g'));
  await again.close();
  t.equal(statSync(folder).mode & 0o777, 0o700);
  t.equal(statSync(join(folder, 'cloud.db')).mode & 0o777, 0o600);
});

t.test('one process at a time has the data', async (t) => {
  const folder = t.testdir();
  const store = await sqliteStore(folder);
  t.teardown(() => store.close());
  await t.rejects(sqliteStore(folder), { code: 'STORE_UNUSABLE', message: /another process has the data open/ });
});

t.test('data of another version, of somebody else, or damaged are refused by name', async (t) => {
  const folder = t.testdir();
  await (await sqliteStore(folder)).close();
  const file = join(folder, 'cloud.db');
  const database = new Libsql(file);
  database.exec('PRAGMA user_version = 99');
  database.close();
  await t.rejects(sqliteStore(folder), { code: 'STORE_VERSION', seen: 99, expected: 'version 1 to 4', where: file });

  const foreign = t.testdir({});
  const other = new Libsql(join(foreign, 'cloud.db'));
  other.exec('CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)');
  other.close();
  await t.rejects(sqliteStore(foreign), { code: 'STORE_UNUSABLE', message: /not one of a local cloud/ });
  writeFileSync(file, 'no database at all, but long enough to look at. '.repeat(100));
  const before = readFileSync(file);
  await t.rejects(sqliteStore(folder), { code: 'STORE_UNUSABLE', message: /SQLITE_NOTADB/ });
  t.same(readFileSync(file), before, 'nothing was written over');
  await t.rejects(sqliteStore(join(file, 'below')), { code: 'STORE_UNUSABLE' });
});

t.test('data of version 1 are read: they are those of the one DPS that there was', async (t) => {
  const folder = t.testdir();
  const old = await sqliteStore(folder);
  await old.certificates.update('a', () => certificate('a'));
  await old.registrations.update('d', () => registration('d', 'g'));
  await old.together(async ({ authority }) => authority.update('dps', () => ({ certificate: 'C', privateKey: 'K' })));
  await old.close();
  const database = new Libsql(join(folder, 'cloud.db'));
  database.exec('PRAGMA user_version = 1; DROP TABLE resourceGroups');
  database.close();
  const all = await sqliteStore(folder);
  const own = serviceStore(all, 'zerotouch');
  t.strictSame(await own.certificates.get('a'), certificate('a'));
  t.strictSame((await own.registrations.page({ limit: 9, group: 'g' })).records, [registration('d', 'g')]);
  t.match(await all.authority.get('dps'), { certificate: 'C' });
  await all.close();
  const again = await sqliteStore(folder);
  t.strictSame(await serviceStore(again, 'zerotouch').certificates.list(), [certificate('a')], 'once only');
  await again.close();
});

t.test('data of an older version get the tables that came later, and lose nothing', async (t) => {
  const folder = t.testdir();
  const old = await sqliteStore(folder);
  await old.devices.update('hub/dev-1', () => ({ deviceId: 'dev-1' }) as never);
  await old.twins.update('hub/dev-1', () => ({ deviceId: 'dev-1', desired: { interval: 5 } }) as never);
  await old.hubs.update('hub', () => ({ host: 'hub' }) as never);
  await old.close();
  const later = ['modules', 'moduleTwins', 'queues', 'feedback', 'configurations', 'hubCertificates', 'removedHubs', 'principals'] as const;
  const database = new Libsql(join(folder, 'cloud.db'));
  for (const table of later) database.exec(`DROP TABLE ${table}`);
  database.exec('PRAGMA user_version = 2');
  database.close();
  const store = await sqliteStore(folder);
  t.strictSame(await store.devices.get('hub/dev-1'), { deviceId: 'dev-1' });
  t.match(await store.twins.get('hub/dev-1'), { desired: { interval: 5 } });
  t.strictSame(await store.hubs.get('hub'), { host: 'hub' });
  for (const table of later) {
    t.equal(await store[table].count(''), 0, `${table} is there`);
    await (store[table] as Table<unknown>).update('hub/x', () => ({ kept: table }));
  }
  await store.close();
  const again = await sqliteStore(folder);
  for (const table of later) t.strictSame(await again[table].get('hub/x'), { kept: table }, `${table} is kept`);
  await again.close();
});

t.test('looking up takes the same work however many there are', async (t) => {
  const folder = t.testdir();
  const store = await sqliteStore(folder);
  await store.together(async ({ registrations }) => {
    for (let n = 0; n < 1000; n++) await registrations.update(`d${n}`, () => registration(`d${n}`, 'g'));
  });
  await store.close();
  const database = new Libsql(join(folder, 'cloud.db'));
  t.teardown(() => database.close());
  const sql = statements('registrations');
  // SCAN is work that grows with the table; SEARCH goes down one tree.
  for (const name of ['get', 'put', 'delete', 'page', 'pageOfGroup', 'list', 'count'] as const) {
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql[name]}`).all('a', 'b', 'c') as { detail: string }[];
    t.notMatch(plan.map(({ detail }) => detail).join('; '), /SCAN|TEMP B-TREE/, name);
  }
});
