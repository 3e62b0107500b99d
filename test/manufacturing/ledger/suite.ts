import { systemClock } from '@zerotouch/foundation/clock';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import { systemFiles } from '@zerotouch/manufacturing/files';
import { LedgerDatabase } from '@zerotouch/manufacturing/ledger/database';
import { firstTables } from '@zerotouch/manufacturing/ledger/first-tables';
import { type Ledger, type LedgerOptions, openLedger, type PlannedRow } from '@zerotouch/manufacturing/ledger/ledger';
import { postgresDialect } from '@zerotouch/manufacturing/ledger/postgres';
import type { Processes } from '@zerotouch/manufacturing/ledger/sessions';
import { sqliteDialect } from '@zerotouch/manufacturing/ledger/sqlite';
import type { Issued, StationBook } from '@zerotouch/manufacturing/ledger/station-book';
import type { Test } from 'tap';

/** A new, empty ledger for one test: its address, and SQL for what the door does not do. */
export interface LedgerPlace {
  address: string;
  sql(text: string): Promise<void>;
}

type MakePlace = (t: Test) => Promise<LedgerPlace>;

const author = { station: 'line-7', operator: 'kim' };
const entropy = seededEntropy('ledger');
const draw = (): string => entropy.bytes(16).toString('hex');

/** Processes that are told who lives. */
export function processesOf(pid: number, dead = new Set<number>()): Processes {
  return { self: { host: 'hall', pid }, gone: (place) => dead.has(place.pid) };
}

export const rowsOf = (count: number, prefix = 'x'): PlannedRow[] =>
  Array.from({ length: count }, (_, position) => ({
    position,
    registrationId: `${prefix}-${position}`,
    serial: `${prefix}${position}`,
    attestation: 'x509',
    enrolment: 'group',
    enrolmentGroup: 'g',
  }));

/** An identity that looks like one. */
export function issuedOf({ position, registrationId }: { position: number; registrationId: string }): Issued {
  const bytes = entropy.bytes(16).toString('hex');
  return {
    position,
    registrationId,
    identity: { id: draw(), certificateSerial: bytes.toUpperCase(), publicKey: bytes, thumbprint: bytes, partitions: { fctry: 'ab' } },
  };
}

const settled = ({ position, registrationId, identity }: Issued) => ({ position, registrationId, identity: identity.id });

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
  const openAt = async (t: Test, { address }: LedgerPlace, options: LedgerOptions = {}): Promise<Ledger> => {
    const ledger = await openLedger(address, options);
    t.teardown(() => ledger.close());
    return ledger;
  };
  const planned = async (t: Test, count = 5): Promise<{ ledger: Ledger; place: LedgerPlace }> => {
    const place = await makePlace(t);
    const ledger = await openAt(t, place);
    await ledger.plan({ batch: 'b', specDigest: 'd', spec: '{}', devices: count }, () => rowsOf(count), draw());
    return { ledger, place };
  };
  const bookOf = async (t: Test, ledger: Ledger, processes = processesOf(1), leaseMs?: number): Promise<StationBook> => {
    const options = { batch: 'b', session: draw(), author, processes };
    const book = ledger.station(leaseMs === undefined ? options : { ...options, leaseMs });
    await book.open();
    t.teardown(() => book.close().catch(() => {}));
    return book;
  };

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

  t.test('stations never hold the same device', async (t) => {
    const { ledger, place } = await planned(t, 60);
    const other = await openAt(t, place);
    const books = [await bookOf(t, ledger, processesOf(1)), await bookOf(t, other, processesOf(2))];
    const taken: number[] = [];
    await Promise.all(
      books.map(async (book) => {
        for (let claimed = await book.claim(7); claimed.length > 0; claimed = await book.claim(7)) {
          taken.push(...claimed.map(({ position }) => position));
          const issued = claimed.map(issuedOf);
          await book.issue(issued);
          await book.verified(issued.map(settled));
        }
      }),
    );
    t.strictSame(
      taken.sort((a, b) => a - b),
      rowsOf(60).map(({ position }) => position),
    );
    t.strictSame(await ledger.counts('b'), { verified: 60 });
  });

  t.test('one station that asks several times at once gets each device once', async (t) => {
    const { ledger } = await planned(t, 30);
    const book = await bookOf(t, ledger);
    const hands = await Promise.all([4, 5, 6, 7, 8].map((count) => book.claim(count)));
    t.strictSame(
      hands.flat().map(({ position }) => position),
      rowsOf(30).map(({ position }) => position),
    );
  });

  t.test('a dead station’s devices are taken over, and it cannot write any more', async (t) => {
    const { ledger, place } = await planned(t, 3);
    const dead = new Set<number>();
    const first = await bookOf(t, ledger, processesOf(1, dead));
    const second = await bookOf(t, await openAt(t, place), processesOf(2, dead));
    const issued = (await first.claim(2)).map(issuedOf);
    await first.issue(issued);
    t.strictSame(
      (await second.claim(8)).map(({ position }) => position),
      [2],
    );
    t.strictSame(await second.unburnt(), { left: 3, elsewhere: 2 });
    dead.add(1);
    t.strictSame(await second.unburnt(), { left: 3, elsewhere: 0 });
    const taken = await second.claim(8);
    t.strictSame(
      taken.map(({ position, state, identity }) => [position, state, identity?.id]),
      issued.map(({ position, identity }) => [position, 'issued', identity.id]),
    );
    await t.rejects(first.verified(issued.map(settled)), { code: 'CLAIM_LOST', where: 'x-0' });
    await t.rejects(first.issue(issued.map(issuedOf)), { code: 'CLAIM_LOST' });
    t.match(await ledger.counts('b'), { issued: 2 });
  });

  t.test('a lease ends by itself', async (t) => {
    const { ledger, place } = await planned(t, 1);
    // A sign of life is due after a fifth of the lease; this one never comes.
    const silent = await bookOf(t, ledger, processesOf(1), 5);
    await silent.claim(1);
    await silent.close();
    const book = await bookOf(t, await openAt(t, place), processesOf(2));
    t.strictSame(
      (await book.claim(8)).map(({ position }) => position),
      [0],
    );
  });

  t.test('what a station holds is free once it signs off; what it gave up it does not get again', async (t) => {
    const { ledger, place } = await planned(t, 2);
    const first = await bookOf(t, ledger, processesOf(1));
    const [a, b] = await first.claim(2);
    if (a === undefined || b === undefined) throw new Error('nothing claimed');
    await first.giveUp([{ ...a, reason: 'no disk' }]);
    t.strictSame(await first.claim(2), []);
    const second = await bookOf(t, await openAt(t, place), processesOf(2));
    t.strictSame(
      (await second.claim(2)).map(({ position }) => position),
      [0],
    );
    await first.close();
    t.strictSame(
      (await second.claim(2)).map(({ position }) => position),
      [1],
    );
  });

  t.test('one station at a time prepares a batch and writes its documents', async (t) => {
    const { ledger, place } = await planned(t, 1);
    const dead = new Set<number>();
    const first = await bookOf(t, ledger, processesOf(1, dead));
    const second = await bookOf(t, await openAt(t, place), processesOf(2, dead));
    t.equal(await first.lock(), 'preparing');
    t.equal(await second.lock(), undefined);
    dead.add(1);
    t.equal(await second.lock(), 'preparing');
    await second.unlock({ state: 'ready', sources: { g: 'f' } });
    t.match(await ledger.batch('b'), { state: 'ready', sources: { g: 'f' } });
    // The lock was lost: nothing comes of it.
    await first.unlock({ state: 'complete' });
    t.match(await ledger.batch('b'), { state: 'ready' });
    t.equal(await second.lock(), 'ready');
    await second.unlock({ state: 'complete' });
    t.match(await ledger.batch('b'), { state: 'complete', completedAt: Number });
  });

  t.test('a lost answer to a commit does nothing twice', async (t) => {
    const { ledger } = await planned(t, 2);
    const book = await bookOf(t, ledger);
    const issued = (await book.claim(2)).map(issuedOf);
    await book.issue(issued);
    await book.issue(issued);
    await book.verified(issued.map(settled));
    await book.verified(issued.map(settled));
    t.equal((await ledger.history('x-0')).length, 3);
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
}
