import { join } from 'node:path';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { openAzureService } from '@zerotouch/manufacturing/enroll/azure-service';
import { enrolBatch } from '@zerotouch/manufacturing/enroll/enrol-batch';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { revokeBatch } from '@zerotouch/manufacturing/rework/revoke';
import { moveDevices } from '@zerotouch/manufacturing/rework/rework';
import t from 'tap';
import { burn, enrolmentsIn, MIXED } from './workbench.js';

t.test('a revoked batch is disabled at DPS, one group or all of it, and enrolling it again undoes that', async (t) => {
  const out = join(t.testdir(), 'out');
  await burn(MIXED.replace('    provisioningStatus: disabled\n', ''), out);
  const file = enrolmentsIn(out);
  await using cloud = await startCloud();
  const service = await openAzureService({ connectionString: cloud.dps.serviceConnectionString, ca: cloud.ca, timeout: 60_000 });
  const options = { service, clock: systemClock, entropy: systemEntropy };
  const states = async () =>
    [...(await cloud.enrolments.groups()), ...(await cloud.enrolments.individuals())].map(({ provisioningStatus }) => provisioningStatus);
  await enrolBatch(file, options);
  t.strictSame(await states(), Array(6).fill('enabled'));
  t.match(await revokeBatch(file, { ...options, group: 'x-group' }), { updated: 1, unchanged: 0 });
  t.equal((await cloud.enrolments.getGroup('x-group'))?.provisioningStatus, 'disabled');
  t.match(await revokeBatch(file, options), { created: 0, updated: 5, unchanged: 1 });
  t.strictSame(await states(), Array(6).fill('disabled'));
  t.match(await enrolBatch(file, options), { updated: 6 });
  t.strictSame(await states(), Array(6).fill('enabled'));
  service.close();
});

t.test('a move of devices is told one by one, and a slip of the pen moves nothing', async (t) => {
  const out = join(t.testdir(), 'out');
  await burn(MIXED, out);
  const ledger = await openLedger(`sqlite:${join(out, 'ledger.db')}`);
  const common = { ledger, batch: 'mixed', reason: 'r', author: { station: 's' } };
  await t.rejects(moveDevices({ ...common, move: 'scrap', devices: ['x-000001', 'x-000009'] }), {
    code: 'LEDGER_UNKNOWN',
    seen: 'x-000009',
  });
  await t.rejects(moveDevices({ ...common, batch: 'other', move: 'scrap', devices: ['x-000001'] }), { code: 'LEDGER_UNKNOWN' });
  t.strictSame(await ledger.counts('mixed'), { verified: 10 });
  const told: string[] = [];
  const moved = await moveDevices({
    ...common,
    move: 'scrap',
    devices: ['X-000001', 'k-000011'],
    onMoved: (id, count) => told.push(`${count} ${id}`),
  });
  t.equal(moved, 2);
  t.strictSame(told, ['1 X-000001', '2 k-000011']);
  t.equal(await moveDevices({ ...common, move: 'ship', devices: { states: ['verified'] } }), 8);
  t.strictSame(await ledger.counts('mixed'), { scrapped: 2, shipped: 8 });
  const stop = AbortSignal.abort(new Error('stopped'));
  await t.rejects(moveDevices({ ...common, move: 'return', devices: { states: ['shipped'] }, signal: stop }), { message: 'stopped' });
  await t.rejects(moveDevices({ ...common, move: 'reburn', devices: { states: ['shipped'] } }), { code: 'LEDGER_STATE' });
  await t.rejects(moveDevices({ ...common, move: 'release', devices: ['k-000012'] }), {
    code: 'LEDGER_STATE',
    message: /not in quarantine/,
  });
  await moveDevices({ ...common, move: 'return', devices: ['k-000012'] });
  await moveDevices({ ...common, move: 'quarantine', devices: ['k-000012'] });
  t.equal((await ledger.device('k-000012'))?.state, 'quarantined');
  await moveDevices({ ...common, move: 'release', devices: ['k-000012'] });
  t.equal((await ledger.device('k-000012'))?.state, 'returned', 'it is what it was');
  await ledger.close();
});
