import { join } from 'node:path';
import { loadNative } from '@zerotouch/foundation/load-native';
import t from 'tap';

const report = process.report as typeof process.report & { excludeNetwork: boolean };

t.test('what loads native code, a durable cloud and a ledger, has no name server asked', async (t) => {
  const asked: boolean[] = [];
  const make = report.getReport;
  report.getReport = (error) => {
    asked.push(!report.excludeNetwork);
    return make.call(report, error);
  };
  t.teardown(() => {
    report.getReport = make;
  });
  // Imported here: importing alone must not load it either.
  const { startCloud } = await import('@zerotouch/cloud-sim/cloud');
  const { openLedger } = await import('@zerotouch/manufacturing/ledger/ledger');
  const cloud = await startCloud({ data: join(t.testdir(), 'data') });
  await cloud.close();
  await (await openLedger(`sqlite:${join(t.testdirName, 'ledger.db')}`)).close();
  t.ok(asked.length > 0, 'the package looks for the C library');
  t.notOk(asked.includes(true));
});

t.test('afterwards a report is as it was, also when nothing could be loaded', async (t) => {
  for (const before of [false, true]) {
    report.excludeNetwork = before;
    t.equal(await loadNative(async () => report.excludeNetwork), true);
    t.equal(report.excludeNetwork, before);
    await t.rejects(
      loadNative(() => Promise.reject(new Error('no such package'))),
      { message: 'no such package' },
    );
    t.equal(report.excludeNetwork, before);
  }
  report.excludeNetwork = false;
});
