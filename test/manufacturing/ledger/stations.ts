import type { Test } from 'tap';
import { issuedOf, ledgerBench, type MakePlace, processesOf, rowsOf, settled } from './bench.js';

/** What every ledger must do for stations that burn side by side, die, and come back. */
export function stationTests(t: Pick<Test, 'test'>, makePlace: MakePlace): void {
  const { openAt, planned, bookOf } = ledgerBench(makePlace);

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
}
