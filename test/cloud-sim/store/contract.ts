import type { Attempt } from '@zerotouch/cloud-sim/reasons';
import { pageOf } from '@zerotouch/cloud-sim/store/paged';
import { forgetService, serviceStore } from '@zerotouch/cloud-sim/store/service-store';
import type { CertificateRecord, RegistrationRecord, Store } from '@zerotouch/cloud-sim/store/store';
import type { Test } from 'tap';

export const certificate = (name: string, verified = false): CertificateRecord => ({ name, certificate: 'PEM', verified });

export const registration = (registrationId: string, group?: string): RegistrationRecord => ({
  operationId: `o-${registrationId}`,
  state: { registrationId, status: 'assigned', symmetricKey: group === undefined ? {} : { enrollmentGroupId: group } },
});

const attempt = (id: string, text: string): Attempt => ({
  at: '2026-01-01T00:00:00.0000000Z',
  service: 'dps',
  host: 'h',
  transport: 'mqtt',
  id,
  outcome: 'refused',
  wire: { status: 401 },
  reason: { rule: 'sas-signature', text },
});

/** What every store must do, whatever it is made of. */
export function storeContract(t: Test, open: (t: Test) => Promise<Store>): void {
  t.test('a record is written, read, changed and deleted', async (t) => {
    const { certificates } = await open(t);
    t.equal(await certificates.get('a'), undefined);
    t.strictSame(await certificates.update('a', () => certificate('a')), certificate('a'));
    t.strictSame(await certificates.get('a'), certificate('a'));
    const changed = await certificates.update('a', (current) => ({ ...(current ?? certificate('none')), verified: true }));
    t.strictSame(changed, certificate('a', true));
    const failure = new Error('no');
    await t.rejects(
      certificates.update('a', () => {
        throw failure;
      }),
      failure,
    );
    t.strictSame(await certificates.get('a'), certificate('a', true), 'a change that throws changes nothing');
    t.equal(await certificates.update('a', () => undefined), undefined);
    t.equal(await certificates.get('a'), undefined);
    t.equal(await certificates.delete('a'), false);
    await certificates.update('a', () => certificate('a'));
    t.equal(await certificates.delete('a'), true);
    t.equal(await certificates.get('a'), undefined);
  });

  t.test('updates at the same time follow one another', async (t) => {
    const { certificates } = await open(t);
    const grow = (current: CertificateRecord | undefined) => ({ ...certificate('a'), certificate: `${current?.certificate ?? ''}.` });
    await Promise.all(Array.from({ length: 50 }, () => certificates.update('a', grow)));
    t.equal((await certificates.get('a'))?.certificate.length, 50);
  });

  t.test('ids under a prefix come a page at a time, from the first to the last', async (t) => {
    const { certificates } = await open(t);
    const ids = ['a', 'b', 'b1', 'b10', 'b2', 'c'];
    for (const id of ids) await certificates.update(`hub/${id}`, () => certificate(id));
    for (const other of ['h', 'hub', 'hub0', 'hua/b', 'hub-2/b']) await certificates.update(other, () => certificate(other));
    const walk = async (limit: number, startsWith?: string): Promise<string[][]> => {
      const pages: string[][] = [];
      for (let after: string | undefined; ; ) {
        const { items, next } = await pageOf(certificates, { limit, after, startsWith }, 'hub/');
        pages.push(items.map(({ name }) => name));
        if (next === undefined) return pages;
        after = next;
      }
    };
    t.strictSame(await walk(6), [ids], 'a page that holds all is the last');
    t.strictSame(await walk(4), [ids.slice(0, 4), ids.slice(4)]);
    t.strictSame(
      await walk(1),
      ids.map((id) => [id]),
    );
    t.strictSame(await walk(2, 'b'), [
      ['b', 'b1'],
      ['b10', 'b2'],
    ]);
    t.strictSame(await walk(3, 'b1'), [['b1', 'b10']]);
    t.strictSame(await walk(3, 'x'), [[]]);
  });

  t.test('lists, counts and pages are in order of the keys', async (t) => {
    const { certificates } = await open(t);
    for (const key of ['b/2', 'a/1', 'b/10', 'c', 'b/1', 'b']) await certificates.update(key, () => certificate(key));
    const names = (records: CertificateRecord[]) => records.map(({ name }) => name);
    t.strictSame(names(await certificates.list()), ['a/1', 'b', 'b/1', 'b/10', 'b/2', 'c']);
    t.strictSame(names(await certificates.list('b/')), ['b/1', 'b/10', 'b/2']);
    t.equal(await certificates.count(), 6);
    t.equal(await certificates.count('b/'), 3);
    const first = await certificates.page({ limit: 4 });
    t.strictSame(first.keys, names(first.records));
    t.strictSame([names(first.records), first.next], [['a/1', 'b', 'b/1', 'b/10'], 'b/10']);
    const last = await certificates.page({ limit: 2, after: first.next });
    t.strictSame([names(last.records), last.next], [['b/2', 'c'], undefined]);
    t.strictSame(await certificates.page({ limit: 2, after: 'c' }), { keys: [], records: [], next: undefined });
  });

  t.test('a DPS sees its own part of the store', async (t) => {
    const store = await open(t);
    const [one, two] = [serviceStore(store, 'one'), serviceStore(store, 'two')];
    for (const id of ['a', 'b', 'c']) await one.registrations.update(id, () => registration(id, 'g'));
    await two.together((own) => own.registrations.update('b', () => registration('b', 'g')));
    await store.registrations.update('onee/a', () => registration('other', 'g'));
    t.strictSame((await one.registrations.list()).length, 3);
    t.equal(await one.registrations.count(), 3);
    const page = await one.registrations.page({ limit: 2, group: 'g' });
    t.strictSame([page.keys, page.next], [['a', 'b'], 'b']);
    t.match(await one.registrations.page({ limit: 2, after: 'b' }), { keys: ['c'], next: undefined });
    t.match(await two.registrations.page({ limit: 2, group: 'g' }), { keys: ['b'], next: undefined });
    t.equal(await two.registrations.delete('a'), false);
    await store.together((tables) => forgetService(tables, 'one'));
    t.equal(await one.registrations.count(), 0);
    t.equal(await two.registrations.count(), 1);
    t.equal(await store.registrations.count(), 2);
  });

  t.test('registrations are paged by group', async (t) => {
    const { registrations } = await open(t);
    for (let n = 0; n < 9; n++)
      await registrations.update(`d${n}`, () => registration(`d${n}`, n % 3 === 0 ? undefined : n % 3 === 1 ? 'g' : 'h'));
    await registrations.update('d2', () => registration('d2', 'g'));
    const page = await registrations.page({ limit: 3, group: 'g' });
    t.strictSame([page.records.map(({ state }) => state.registrationId), page.next], [['d1', 'd2', 'd4'], 'd4']);
    t.strictSame(
      (await registrations.page({ limit: 3, group: 'g', after: page.next })).records.map(({ operationId }) => operationId),
      ['o-d7'],
    );
    t.strictSame(await registrations.page({ limit: 3, group: 'none' }), { keys: [], records: [], next: undefined });
  });

  t.test('what is written together is kept together', async (t) => {
    const store = await open(t);
    await store.certificates.update('old', () => certificate('old'));
    const kept = await store.together(async ({ certificates, registrations }) => {
      await certificates.update('new', () => certificate('new'));
      await registrations.update('d1', () => registration('d1'));
      return (await certificates.list()).length;
    });
    t.equal(kept, 2);
    t.ok(await store.registrations.get('d1'));

    await t.rejects(
      store.together(async ({ certificates, registrations }) => {
        await certificates.update('old', () => certificate('old', true));
        await certificates.delete('new');
        await registrations.update('d2', () => registration('d2'));
        throw new Error('changed my mind');
      }),
      { message: 'changed my mind' },
    );
    t.strictSame(await store.certificates.list(), [certificate('new'), certificate('old')]);
    t.equal(await store.registrations.get('d2'), undefined);
    const both = await Promise.all([
      store.together(async ({ certificates }) => certificates.update('x', () => certificate('x'))),
      store.certificates.update('y', () => certificate('y')),
      store.together(async ({ certificates }) => certificates.update('z', () => certificate('z'))),
    ]);
    t.equal(both.length, 3);
    t.equal(await store.certificates.count(), 5);
  });

  t.test('the latest attempts are kept, oldest first', async (t) => {
    const { attempts, certificates } = await open(t);
    t.strictSame(await attempts.list('d'), []);
    for (let n = 0; n < 40; n++) await attempts.append('d', attempt('d', String(n)));
    await attempts.append('e', attempt('e', 'other'));
    await certificates.get('a');
    t.strictSame(
      (await attempts.list('d')).map(({ reason }) => reason.text),
      Array.from({ length: 32 }, (_, n) => String(n + 8)),
    );
    t.strictSame(await attempts.list('e'), [attempt('e', 'other')]);
  });
}
