import { systemClock } from '@zerotouch/foundation/clock';
import { systemFiles } from '@zerotouch/manufacturing/files';
import { LedgerDatabase } from '@zerotouch/manufacturing/ledger/database';
import { firstTables } from '@zerotouch/manufacturing/ledger/first-tables';
import { openLedger, type PlannedRow } from '@zerotouch/manufacturing/ledger/ledger';
import { postgresDialect } from '@zerotouch/manufacturing/ledger/postgres';
import { sqliteDialect } from '@zerotouch/manufacturing/ledger/sqlite';
import type { Issued } from '@zerotouch/manufacturing/ledger/station-book';
import type { Test } from 'tap';
import { author, draw, issuedOf, ledgerBench, type MakePlace, rowsOf, settled } from './bench.js';
import { stationTests } from './stations.js';

/** The tables as the first version made them. */
async function makeFirstVersion(address: string): Promise<void> {
  const path = /^sqlite:(.+)$/.exec(address)?.[1];
  const dialect = path === undefined ? postgresDialect(address) : await sqliteDialect(path, systemFiles);
  const database = new LedgerDatabase(dialect, systemClock, 1000);
  await database.write('first version', async (db) => {
    await db.schema.createTable('ledger_schema').addColumn('version', 'integer').addColumn('applied_at', 'bigint').execute();
    await firstTables(db, database.kind);
    await db.insertInto('ledger_schema').values({ version: 1, applied_at: 1 }).execute();
  });
  await database.close();
}

/** What every ledger must do, whatever database it is kept in. */
export function ledgerTests(t: Pick<Test, 'test'>, makePlace: MakePlace): void {
  const { openAt, planned, bookOf } = ledgerBench(makePlace);

  t.test('a batch is planned whole, once', async (t) => {
    const { ledger } = await planned(t, 1203);
    t.match(await ledger.batch('b'), { batch: 'b', state: 'preparing', devices: 1203, specDigest: 'd' });
    const seen: string[] = [];
    for await (const { registrationId, state } of ledger.devices('b')) if (state === 'planned') seen.push(registrationId);
    t.strictSame(
      seen,
      rowsOf(1203).map(({ registrationId }) => registrationId),
    );
    t.equal(await ledger.plan({ batch: 'b', specDigest: 'd', spec: '{}', devices: 1 }, () => rowsOf(1), draw()), 'known');
    t.strictSame(await ledger.counts('b'), { planned: 1203 });
    t.equal(await ledger.batch('c'), undefined);
    t.strictSame(
      (await ledger.batches()).map(({ batch }) => batch),
      ['b'],
    );
  });

  t.test('a name that another batch has keeps the whole batch out', async (t) => {
    const { ledger } = await planned(t);
    const plan = (batch: string, change: (row: PlannedRow) => PlannedRow) =>
      ledger.plan(
        { batch, specDigest: 'd', spec: '{}', devices: 3 },
        () => rowsOf(3, 'y').map((row, index) => (index === 2 ? change(row) : row)),
        draw(),
      );
    await t.rejects(
      plan('c', (row) => ({ ...row, registrationId: 'X-4' })),
      { code: 'LEDGER_DUPLICATE', seen: 'x-4, serial x4, in batch b' },
    );
    await t.rejects(
      plan('c', (row) => ({ ...row, serial: 'X0' })),
      { code: 'LEDGER_DUPLICATE', seen: 'x-0, serial x0, in batch b' },
    );
    t.equal(await ledger.batch('c'), undefined);
    t.equal(await ledger.device('y-0'), undefined);
    t.equal(await plan('c', (row) => ({ ...row, mac: 'AA:BB:CC:00:11:22' })), 'planned');
    const again = ledger.plan(
      { batch: 'd', specDigest: 'd', spec: '{}', devices: 1 },
      () => rowsOf(1, 'z').map((row) => ({ ...row, mac: 'aabbcc001122' })),
      draw(),
    );
    await t.rejects(again, { code: 'LEDGER_DUPLICATE', seen: /y-2/ });
    t.match(await ledger.device('Y-2'), { registrationId: 'y-2', mac: 'aabbcc001122' });
  });

  t.test('two that are twice in one batch never get in', async (t) => {
    const ledger = await openAt(t, await makePlace(t));
    const rows = rowsOf(2).map((row) => ({ ...row, registrationId: 'same' }));
    await t.rejects(
      ledger.plan({ batch: 'b', specDigest: 'd', spec: '{}', devices: 2 }, () => rows, draw()),
      { code: 'LEDGER_DUPLICATE' },
    );
    t.strictSame(await ledger.batches(), []);
  });

  t.test('the life of a device, with its history', async (t) => {
    const { ledger } = await planned(t, 1);
    const book = await bookOf(t, ledger);
    const [device] = await book.claim(8);
    if (device === undefined) throw new Error('nothing claimed');
    const first = issuedOf(device);
    await book.issue([first]);
    const second = issuedOf(device);
    await book.issue([second]);
    await book.verified([settled(second)]);
    t.match(await ledger.device('x-0'), {
      state: 'verified',
      station: 'line-7',
      operator: 'kim',
      identity: { ...second.identity, status: 'burnt' },
    });
    const made = (await ledger.identities('x-0')).map(({ id, status }) => [id, status]);
    t.strictSame(
      new Map(made as [string, string][]),
      new Map([
        [first.identity.id, 'void'],
        [second.identity.id, 'burnt'],
      ]),
    );
    await ledger.transition('X-0', 'shipped', 'order 12', { station: 'dock' });
    await ledger.transition('x-0', 'returned', 'does not start', { station: 'dock', operator: 'lee' });
    await ledger.transition('x-0', 'planned', 'new key', { station: 'rework' });
    const history = await ledger.history('x-0');
    t.strictSame(
      history.map(({ from, to, reason }) => [from, to, reason]),
      [
        ['planned', 'issued', undefined],
        ['issued', 'issued', undefined],
        ['issued', 'burnt', undefined],
        ['burnt', 'verified', undefined],
        ['verified', 'shipped', 'order 12'],
        ['shipped', 'returned', 'does not start'],
        ['returned', 'planned', 'new key'],
      ],
    );
    t.match(history[5], { station: 'dock', operator: 'lee', identity: second.identity.id });
    t.notOk(Object.hasOwn((await ledger.device('x-0')) ?? {}, 'identity'));
    t.same((await ledger.identities('x-0')).map(({ status }) => status).sort(), ['retired', 'void']);
  });

  t.test('there are ways that no device goes', async (t) => {
    const { ledger } = await planned(t, 2);
    await t.rejects(ledger.transition('x-0', 'shipped', 'hurry', author), {
      code: 'LEDGER_STATE',
      where: 'x-0',
      seen: 'planned',
      expected: /scrapped/,
    });
    await t.rejects(ledger.transition('nobody', 'shipped', 'hurry', author), { code: 'LEDGER_UNKNOWN', seen: 'nobody' });
    t.strictSame(await ledger.history('x-0'), []);
    await ledger.transition('x-0', 'scrapped', 'fell down', author);
    t.match(await ledger.counts('b'), { planned: 1, scrapped: 1 });
    const book = await bookOf(t, ledger);
    t.strictSame(
      (await book.claim(8)).map(({ registrationId }) => registrationId),
      ['x-1'],
    );
  });

  t.test('the history cannot be changed, not even by hand', async (t) => {
    const { ledger, place } = await planned(t, 1);
    await ledger.transition('x-0', 'scrapped', 'fell down', author);
    await t.rejects(place.sql("update ledger_history set reason = 'nothing'"), /only ever added to/);
    await t.rejects(place.sql('delete from ledger_history'), /only ever added to/);
    t.match(await ledger.history('x-0'), [{ reason: 'fell down' }]);
  });

  t.test('no certificate serial, key or thumbprint is there twice', async (t) => {
    const { ledger } = await planned(t, 2);
    const book = await bookOf(t, ledger);
    const [a, b] = await book.claim(2);
    if (a === undefined || b === undefined) throw new Error('nothing claimed');
    const first = issuedOf(a);
    await book.issue([first]);
    for (const field of ['certificateSerial', 'publicKey', 'thumbprint'] as const) {
      const second = issuedOf(b);
      const same = { ...second, identity: { ...second.identity, [field]: first.identity[field] } };
      await t.rejects(book.issue([same]), { code: 'LEDGER_DUPLICATE' }, field);
    }
    t.match(await ledger.device('x-1'), { state: 'planned' });
    // Void ones keep their place as well.
    await book.giveUp([{ ...a, reason: 'no disk' }]);
    await t.rejects(book.issue([{ ...issuedOf(b), identity: { ...first.identity, id: draw() } }]), { code: 'LEDGER_DUPLICATE' });
    t.match(await ledger.history('x-0'), [
      { to: 'issued' },
      { from: 'issued', to: 'planned', reason: 'no disk', identity: first.identity.id },
    ]);
  });

  t.test('a key that was made outside is certified again for its own device, and for no other', async (t) => {
    const { ledger } = await planned(t, 3);
    const book = await bookOf(t, ledger);
    const keyed = (device: { position: number; registrationId: string }, publicKey: string): Issued => {
      const made = issuedOf(device);
      return { ...made, identity: { ...made.identity, publicKey } };
    };
    const [first, second] = await book.claim(2);
    if (first === undefined || second === undefined) throw new Error('two devices were planned');
    await book.issue([keyed(first, 'of-an-hsm')]);
    const again = keyed(first, 'of-an-hsm');
    await book.issue([again]);
    await t.rejects(book.issue([keyed(second, 'of-an-hsm')]), { code: 'LEDGER_DUPLICATE', seen: 'x-0 in batch b' });
    await book.verified([settled(again)]);
    await ledger.transition('x-0', 'planned', 'new certificate, same key', author);
    await t.rejects(book.issue([keyed(second, 'of-an-hsm')]), { code: 'LEDGER_DUPLICATE' }, 'a retired key stays its device’s own');
    await book.claim(1);
    const [back] = [await ledger.device('x-0')];
    if (back === undefined) throw new Error('it is planned');
    const last = keyed(back, 'of-an-hsm');
    await book.close();
    const next = await bookOf(t, ledger);
    await next.claim(1);
    await next.issue([last]);
    await next.verified([settled(last)]);
    t.strictSame((await ledger.identities('x-0')).map(({ status }) => status).sort(), ['burnt', 'retired', 'void']);
  });

  t.test('quarantine holds a device back until it is released', async (t) => {
    const { ledger } = await planned(t, 1);
    const book = await bookOf(t, ledger);
    const issued = (await book.claim(1)).map(issuedOf);
    await book.issue(issued);
    await book.verified(issued.map(settled));
    await ledger.transition('x-0', 'quarantined', 'the jig was out of line', author);
    await t.rejects(ledger.transition('x-0', 'shipped', 'r', author), { code: 'LEDGER_STATE' });
    await ledger.transition('x-0', 'verified', 'measured again', author);
    await ledger.transition('x-0', 'shipped', 'r', author);
    t.strictSame(
      (await ledger.history('x-0')).slice(-3).map(({ from, to }) => `${from} ${to}`),
      ['verified quarantined', 'quarantined verified', 'verified shipped'],
    );
  });

  t.test('what happens to a whole batch is recorded, and only ever added to', async (t) => {
    const { ledger, place } = await planned(t);
    await ledger.record({ batch: 'b', kind: 'revoked', subject: 'g', detail: { updated: 1 }, reason: 'key read out' }, author);
    await ledger.record({ batch: 'b', kind: 'reinstated', subject: 'g', detail: {}, reason: 'wrong group' }, { station: 's' });
    t.match(await ledger.events('b'), [
      { kind: 'revoked', subject: 'g', detail: { updated: 1 }, reason: 'key read out', station: 'line-7', operator: 'kim', at: Number },
      { kind: 'reinstated', reason: 'wrong group', station: 's' },
    ]);
    t.strictSame(await ledger.events('other'), []);
    for (const change of ["update ledger_events set reason = 'x'", 'delete from ledger_events'])
      await t.rejects(place.sql(change), /only ever added to/);
  });

  t.test('a ledger of version 1 is brought to this version, with all that is in it', async (t) => {
    const place = await makePlace(t);
    await makeFirstVersion(place.address);
    const old =
      "insert into ledger_batches (batch, state, devices, spec_digest, spec, created_by, created_at) values ('b', 'ready', 1, 'd', '{}', 's', 1)";
    await place.sql(old);
    await place.sql(
      "insert into ledger_devices values ('b', 0, 'x-0', 'x-0', 'x0', 'x0', null, 'x509', 'group', 'g', 'verified', 'i', null, 's', null, 5)",
    );
    await place.sql("insert into ledger_identities values ('i', 'b', 0, 'burnt', '4A', 'key', 'AB', null, null, '{\"fctry\":\"ab\"}', 4)");
    const ledger = await openAt(t, place);
    t.match(await ledger.device('X-0'), { state: 'verified', serial: 'x0', identity: { publicKey: 'key', partitions: { fctry: 'ab' } } });
    await ledger.transition('x-0', 'quarantined', 'r', author);
    t.match(await ledger.history('x-0'), [{ from: 'verified', to: 'quarantined' }]);
    for (const wrong of [
      "update ledger_devices set state = 'lost'",
      "insert into ledger_identities values ('j', 'b', 7, 'burnt', null, null, null, null, null, '{}', 4)",
      "insert into ledger_devices select 'b', 1, 'y', 'x-0', 'y', 'y', null, 'x509', 'group', 'g', 'planned', null, null, null, null, 5",
    ])
      await t.rejects(place.sql(wrong), /constraint|unique/i, wrong);
  });

  t.test('a newer ledger is refused by name', async (t) => {
    const { ledger, place } = await planned(t, 1);
    await place.sql('insert into ledger_schema (version, applied_at) values (99, 0)');
    await t.rejects(openLedger(place.address), {
      code: 'LEDGER_NEWER',
      where: ledger.where,
      seen: 'version 99',
      remedy: /update zerotouch/,
    });
  });

  t.test('a commit that is cut off leaves nothing', async (t) => {
    const place = await makePlace(t);
    let cut = '';
    const watch = (moment: string): void => {
      if (moment === cut) throw new Error('power');
    };
    const ledger = await openAt(t, place, { watch });
    cut = 'before plan';
    await t.rejects(
      ledger.plan({ batch: 'b', specDigest: 'd', spec: '{}', devices: 3 }, () => rowsOf(3), draw()),
      /power/,
    );
    t.strictSame(await ledger.batches(), []);
    cut = '';
    t.equal(await ledger.plan({ batch: 'b', specDigest: 'd', spec: '{}', devices: 3 }, () => rowsOf(3), draw()), 'planned');
  });

  t.test('stations that open a new ledger at once both get one', async (t) => {
    const place = await makePlace(t);
    const ledgers = await Promise.all([openAt(t, place), openAt(t, place), openAt(t, place)]);
    for (const ledger of ledgers) t.strictSame(await ledger.batches(), []);
  });

  stationTests(t, makePlace);
}
