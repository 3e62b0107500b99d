import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import t from 'tap';
import { jsonLines, lastLine, run, runHere } from './support/command.js';

const spec = `version: 1
batch: recall
groups:
  - { attestation: x509, enrolmentGroup: line, registrationId: 'pump-{serial}', serial: { count: 2 } }
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'probe-{serial}', serial: { start: 3, count: 1 } }
`;

t.test('a batch is recalled at DPS, and its CA replaced', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  await using cloud = await startCloud({ retryAfterSeconds: 0 });
  const { dps, ca } = cloud;
  mkdirSync(join(dir, '.zerotouch'));
  writeFileSync(join(dir, '.zerotouch', 'ca.pem'), ca);
  writeFileSync(join(dir, '.zerotouch', 'cloud.json'), JSON.stringify({ ready: true, dps, ca: 'ca.pem' }));
  t.equal((await run(dir, 'burn', 'batch.yaml', '--out', 'out', '--quiet')).code, 0);
  for (const certificate of JSON.parse(readFileSync(join(dir, 'out', 'enrolments.json'), 'utf8')).certificates)
    await cloud.enrolments.putCertificate(certificate);
  t.equal((await runHere(dir, 'enroll', 'out', '--quiet')).code, 0);
  const status = async (group: string) => (await cloud.enrolments.getGroup(group))?.provisioningStatus;
  const boots = async (image: Buffer): Promise<boolean> => {
    const device = await powerOn({
      flash: memoryStorage(Buffer.from(image)),
      client: 'wire',
      endpoint: { dpsHost: 'localhost', dpsPort: dps.mqttPort, gateway: { host: 'localhost', port: dps.mqttPort }, ca },
      giveUpWhenRefused: true,
      signal: AbortSignal.timeout(60_000),
    }).catch(() => undefined);
    await device?.stop();
    return device?.hub !== undefined;
  };
  const image = join(dir, 'out', 'images', 'pump-000001.bin');

  await t.test('a group that the batch does not have is refused, and not on record', async (t) => {
    const misspelt = await runHere(dir, 'batch', 'revoke', 'out', '--group', 'lime', '--reason', 'key read out');
    t.match(misspelt, { code: 2, stderr: /no such enrolment group.*lime.*line/ });
    t.match(await runHere(dir, 'batch', 'events', 'out'), { code: 0, stdout: /^0 events/ });
    t.equal((await runHere(dir, 'enroll', 'out', '--quiet')).code, 0);
  });

  await t.test('revoked, it can be neither enrolled nor shipped unnoticed, until it is reinstated', async (t) => {
    const revoked = await runHere(
      dir,
      'batch',
      'revoke',
      'out',
      '--group',
      'line',
      '--reason',
      'key read out',
      '--operator',
      'Ada',
      '--json',
    );
    t.match(lastLine(revoked), { revoked: true, updated: 1 }, revoked.stderr);
    t.equal(await status('line'), 'disabled');
    t.equal(await status('keys'), 'enabled');
    t.notOk(await boots(readFileSync(image)));
    t.match(await runHere(dir, 'enroll', 'out'), { code: 2, stderr: /revoked.*batch reinstate/ });
    t.equal((await runHere(dir, 'enroll', 'out', '--group', 'keys', '--quiet')).code, 0, 'the other group may be');
    t.match(await runHere(dir, 'verify', 'out', '--shipped'), { code: 1, stdout: /ENROLMENT_REVOKED.*pump-000001/ });
    t.match(await runHere(dir, 'batch', 'ship', 'out'), { code: 2, stderr: /pump-000001.*revoked/ });
    t.match(lastLine(await runHere(dir, 'batch', 'reinstate', 'out', '--group', 'line', '--reason', 'wrong batch', '--json')), {
      reinstated: true,
    });
    t.equal(await status('line'), 'enabled');
    t.equal((await runHere(dir, 'verify', 'out', '--shipped')).code, 0);
    const told = jsonLines((await runHere(dir, 'batch', 'events', 'out', '--json')).stdout);
    t.match(told, [{ kind: 'revoked', subject: 'line', reason: 'key read out', operator: 'Ada' }, { kind: 'reinstated' }, { events: 2 }]);
  });

  await t.test('quarantine and release', async (t) => {
    t.equal((await runHere(dir, 'batch', 'quarantine', 'out', 'probe-000003', '--reason', 'odd noise')).code, 0);
    t.match(await runHere(dir, 'batch', 'ship', 'out', 'probe-000003'), { code: 2, stderr: /quarantined cannot become shipped/ });
    t.equal((await runHere(dir, 'batch', 'release', 'out', 'probe-000003', '--reason', 'a loose screw')).code, 0);
    t.match(lastLine(await runHere(dir, 'batch', 'history', 'out', 'probe-000003', '--json')), { state: 'verified' });
  });

  await t.test('a leaked line is replaced in one command: the old image is shut out, the new one gets in', async (t) => {
    const old = readFileSync(image);
    t.ok(await boots(old));
    const replaced = await runHere(
      dir,
      'batch',
      'replace-ca',
      'batch.yaml',
      '--out',
      'out',
      '--level',
      'line',
      '--reason',
      'laptop stolen',
      '--json',
    );
    t.equal(replaced.code, 0, replaced.stderr);
    t.match(lastLine(replaced), { replaced: [/^[0-9A-F:]{95}$/], burnt: 2, failed: 0, fielded: 0, held: 0, enrolled: { updated: 2 } });
    t.equal(await status('line'), 'enabled');
    t.notOk(await boots(old), 'the old CA counts for nothing');
    t.ok(await boots(readFileSync(image)));
    t.match(await runHere(dir, 'verify', 'out', '--batch', 'batch.yaml', '--shipped'), { code: 0, stdout: /nothing to tell/ });
    const kinds = jsonLines((await runHere(dir, 'batch', 'events', 'out', '--json')).stdout).map(({ kind }) => kind);
    t.strictSame(kinds.slice(2, -1), ['revoked', 'authority-replacing', 'authority-replaced', 'reinstated']);
    t.equal((await runHere(dir, 'batch', 'report', 'out', '--out', 'report.html')).code, 0);
    t.match(readFileSync(join(dir, 'report.html'), 'utf8'), /authority-replaced.*laptop stolen/);
  });
});
