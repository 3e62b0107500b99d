import { execFileSync } from 'node:child_process';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import t from 'tap';
import { rowsOf } from '../manufacturing/ledger/bench.js';
import { ledgerTests } from '../manufacturing/ledger/suite.js';
import { postgresPlace, serverAddress } from './postgres-place.js';

ledgerTests(t, postgresPlace);

t.test('a server that restarts is waited for', async (t) => {
  const place = await postgresPlace(t);
  let restarts = 0;
  const watch = (moment: string): void => {
    if (moment !== 'before plan' || restarts++ > 0) return;
    const [command = '', ...rest] = (process.env.ZT_TEST_POSTGRES_RESTART ?? '').split(' ');
    execFileSync(command, rest);
  };
  const ledger = await openLedger(place.address, { watch });
  t.teardown(() => ledger.close());
  t.equal(await ledger.plan({ batch: 'b', specDigest: 'd', spec: '{}', devices: 3 }, () => rowsOf(3), 's'), 'planned');
  t.equal(restarts, 2);
  t.strictSame(await ledger.counts('b'), { planned: 3 });
});

t.test('a server that is not there, a user without rights: said without the password', async (t) => {
  const nobody = new URL(serverAddress());
  nobody.port = '1';
  nobody.password = 'hush';
  const error = await openLedger(nobody.href, { patienceMs: 200 }).catch((refusal: Error) => refusal);
  t.match(error, { code: 'LEDGER_UNREACHABLE', seen: /ECONNREFUSED/, remedy: /--resume/ });
  t.notMatch(String(error), /hush/);
  const wrong = new URL(serverAddress());
  wrong.pathname = 'no-such-database';
  wrong.password = 'hush';
  const refused = await openLedger(wrong.href, { patienceMs: 200 }).catch((refusal: Error) => refusal);
  t.match(refused, { code: 'LEDGER_UNUSABLE', seen: /3D000/ });
  t.notMatch(String(refused), /hush/);
});
