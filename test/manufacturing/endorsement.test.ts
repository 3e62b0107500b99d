import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t, { type Test } from 'tap';
import { burn, enrolmentsIn, imageOf } from './workbench.js';

const spec = (keys: string, more = '') => `version: 1
batch: tpm
groups:
  - { enrolment: individual, attestation: tpm, registrationId: "t-{serial}", serial: { count: 2 }, endorsementKeys: ${JSON.stringify(keys)}${more} }
`;

/** A public area of the right form: size, algorithm, and what a TPM would say of its key. */
function publicArea(algorithm = 0x0001): Buffer {
  const body = randomBytes(310);
  body.writeUInt16BE(algorithm, 0);
  const size = Buffer.alloc(2);
  size.writeUInt16BE(body.length);
  return Buffer.concat([size, body]);
}

function folder(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'endorsement-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

t.test('TPM devices are enrolled by their endorsement keys, and nothing secret is burnt', async (t) => {
  const dir = folder(t);
  const [one, two] = [publicArea(), publicArea(0x0023)];
  const csv = join(dir, 'keys.csv');
  writeFileSync(csv, `serial,endorsement key\n000001,${one.toString('base64')}\nt-000002,${two.toString('base64')}\n`);
  const out = join(dir, 'batch');
  t.match(await burn(spec(csv, ', initialTwin: { tags: { line: 3 } }'), out), { burnt: 2, failed: 0, failures: [] });
  const { enrollments, enrollmentGroups, certificates } = enrolmentsIn(out);
  t.same([enrollmentGroups, certificates], [[], []]);
  t.match(enrollments, [
    {
      registrationId: 't-000001',
      attestation: { type: 'tpm', tpm: { endorsementKey: one.toString('base64') } },
      initialTwin: { tags: { line: 3 } },
    },
    { registrationId: 't-000002', attestation: { type: 'tpm', tpm: { endorsementKey: two.toString('base64') } } },
  ]);
  const image = imageOf(out, 't-000001');
  t.equal(image.secureCert, undefined);
  t.equal(image.factory.symmetricKey, undefined);
  t.equal(image.factory.registrationId, 't-000001');
  t.notOk(existsSync(join(out, 'individual-keys.secret')));
  const ledger = await openLedger(`sqlite:${join(out, 'ledger.db')}`);
  t.teardown(() => ledger.close());
  t.equal((await ledger.device('t-000001'))?.identity?.publicKey, one.toString('base64'));
});

t.test('keys may lie in a folder, as the TPM wrote them or in base64', async (t) => {
  const dir = folder(t);
  const keys = join(dir, 'keys');
  mkdirSync(keys);
  const [one, two] = [publicArea(), publicArea()];
  writeFileSync(join(keys, 't-000001.pub'), one);
  writeFileSync(join(keys, '000002.txt'), `${two.toString('base64')}\n`);
  writeFileSync(join(keys, '.DS_Store'), 'left by a file manager');
  const out = join(dir, 'batch');
  t.match(await burn(spec(keys), out), { burnt: 2, failed: 0 });
  t.match(enrolmentsIn(out).enrollments[1], { attestation: { tpm: { endorsementKey: two.toString('base64') } } });
});

t.test('keys that cannot be used are refused before anything is made', async (t) => {
  const dir = folder(t);
  const csv = join(dir, 'keys.csv');
  const key = publicArea().toString('base64');
  for (const [text, expected] of [
    [`000001,${key}\n`, { message: /no endorsement key.*t-000002/ }],
    [`000001,${key}\n000002,${key}\n`, { message: /two devices/ }],
    [`000001,${key}\n000001,${key}\n`, { where: `${csv}:2`, message: /twice/ }],
    [`000001,${key}\n000002,AAAA\n`, { where: `${csv}:2`, expected: /TPM2B_PUBLIC/ }],
    [`000001,"${key}\n`, { message: /no CSV/ }],
  ] as const) {
    writeFileSync(csv, text);
    await t.rejects(burn(spec(csv), join(dir, 'batch')), { code: 'ENDORSEMENT_INVALID', ...expected });
  }
  await t.rejects(burn(spec(join(dir, 'nowhere.csv')), join(dir, 'batch')), { code: 'ENDORSEMENT_INVALID', message: /no such file/ });
  mkdirSync(join(dir, 'keys', 'old'), { recursive: true });
  const nested = { code: 'ENDORSEMENT_INVALID', where: join(dir, 'keys', 'old'), seen: 'EISDIR' };
  await t.rejects(burn(spec(join(dir, 'keys')), join(dir, 'batch')), nested);
  t.notOk(existsSync(join(dir, 'batch')));
  t.ok(readFileSync(csv));
});

t.test('a spec says endorsementKeys with TPMs, and TPMs are enrolled one by one', async (t) => {
  const base = { code: 'SPEC_INVALID' };
  t.throws(() => parseSpec(spec('k.csv').replace('endorsementKeys: "k.csv"', 'provisioningStatus: enabled'), 'b.yaml'), {
    ...base,
    message: /endorsementKeys/,
  });
  t.throws(() => parseSpec(spec('k.csv').replace('attestation: tpm', 'attestation: symmetric-key'), 'b.yaml'), {
    ...base,
    message: /endorsementKeys/,
  });
  t.throws(() => parseSpec(spec('k.csv').replace('enrolment: individual', 'enrolmentGroup: g'), 'b.yaml'), {
    ...base,
    message: /individual/,
  });
  t.equal(parseSpec(spec('k.csv'), '/specs/b.yaml').groups[0]?.endorsementKeys, '/specs/k.csv');
});
