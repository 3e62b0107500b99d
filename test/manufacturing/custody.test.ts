import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commonName } from '@zerotouch/azure-wire/common-name';
import { readIdentity } from '@zerotouch/firmware-sim/identity/identity';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { proveWithCode } from '@zerotouch/manufacturing/authority';
import { issuerOf } from '@zerotouch/manufacturing/certificates';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t, { type Test } from 'tap';
import { burn, certified, imageOf } from './workbench.js';

function folder(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'custody-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

t.test('CA keys are written with the passphrase, and used again with it only', async (t) => {
  const dir = folder(t);
  const ca = join(dir, 'ca');
  const spec = certified(`authority: { directory: ${ca}, passphrase: "env:CA" }\n`);
  const passphrase = 'correct horse';
  t.match(await burn(spec, join(dir, 'one'), { passphrase }), { burnt: 2, failed: 0 });
  for (const name of ['root.key', 'line-x-group.key']) {
    const pem = readFileSync(join(ca, name), 'utf8');
    t.match(pem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    t.equal(statSync(join(ca, name)).mode & 0o777, 0o600);
    t.throws(() => createPrivateKey(pem));
    const certificate = new X509Certificate(readFileSync(join(ca, name.replace('.key', '.pem'))));
    t.ok(certificate.checkPrivateKey(createPrivateKey({ key: pem, passphrase })));
  }
  t.match(await burn(spec.replace('batch: certified', 'batch: again'), join(dir, 'two'), { passphrase }), { burnt: 2, failed: 0 });
  t.equal(readIdentity(imageOf(join(dir, 'two'), 'x-000001')).registrationId, 'x-000001');

  const refused = async (text: string, options: { passphrase?: string }, expected: object) => {
    const error = await burn(text, join(dir, 'never'), options).then(
      () => t.fail('it was burnt'),
      (reason: unknown) => reason,
    );
    t.match(error, { code: 'PASSPHRASE', ...expected });
    t.notMatch(String(error), /correct horse|wrong donkey/);
  };
  await refused(spec, { passphrase: 'wrong donkey' }, { where: join(ca, 'root.key') });
  await refused(spec, {}, { where: 'authority.passphrase', expected: /env:CA/ });
  await refused(spec.replace(', passphrase: "env:CA"', ''), {}, { where: join(ca, 'root.key'), message: /has a passphrase/ });
  t.notOk(readdirSync(dir).includes('never'), 'nothing was made');
});

t.test('a plain key where a passphrase is asked for is refused', async (t) => {
  const dir = folder(t);
  const spec = certified(`authority: { directory: ${join(dir, 'ca')} }\n`);
  await burn(spec, join(dir, 'one'));
  await t.rejects(burn(spec, join(dir, 'two'), { passphrase: 'new' }), { code: 'PASSPHRASE', remedy: /openssl pkcs8/ });
});

t.test('a passphrase is never written into a spec', async (t) => {
  t.throws(() => parseSpec(certified('authority: { directory: ca, passphrase: hunter2 }\n'), 'b.yaml'), {
    code: 'SPEC_INVALID',
    message: /env:NAME/,
  });
});

t.test("a code that Azure drew is proved by the root's key", async (t) => {
  const dir = folder(t);
  await burn(certified(`authority: { directory: ${join(dir, 'ca')} }\n`), join(dir, 'one'));
  const pem = readFileSync(join(dir, 'ca', 'root.pem'), 'utf8');
  const root = await issuerOf(pem, createPrivateKey(readFileSync(join(dir, 'ca', 'root.key'))));
  const code = '106A5SD242AF512B3498BD6098C4941E66R34H268DDB3288';
  const { certificate, verification } = await proveWithCode(root, code, { clock: systemClock, entropy: systemEntropy });
  t.equal(certificate, pem);
  t.equal(verification.code, code);
  const proof = new X509Certificate(verification.certificate);
  t.equal(commonName(proof), code);
  t.ok(proof.checkIssued(root.certificate) && proof.verify(root.certificate.publicKey));
  await t.rejects(proveWithCode(root, 'x'.repeat(65), { clock: systemClock, entropy: systemEntropy }), { code: 'PROOF_CODE' });
});

for (const [kind, details] of [
  ['p384', { namedCurve: 'secp384r1' }],
  ['rsa2048', { modulusLength: 2048 }],
] as const) {
  t.test(`devices get ${kind} keys on request, and identify with them`, async (t) => {
    const out = join(folder(t), 'batch');
    t.match(await burn(certified('encryption: hmac\n', 1).replace('attestation: x509', `attestation: x509, key: ${kind}`), out), {
      burnt: 1,
      failures: [],
    });
    const plain = join(folder(t), 'batch');
    await burn(certified('', 1).replace('attestation: x509', `attestation: x509, key: ${kind}`), plain);
    const { attestation } = readIdentity(imageOf(plain, 'x-000001'));
    if (attestation.kind !== 'x509') return t.fail('no certificate');
    t.match(createPrivateKey(attestation.privateKey).asymmetricKeyDetails, details);
    return undefined;
  });
}

t.test('a kind of key beside a symmetric key is refused', async (t) => {
  const text = certified().replace('attestation: x509', 'attestation: symmetric-key, key: p384');
  t.throws(() => parseSpec(text, 'b.yaml'), { code: 'SPEC_INVALID', message: /key only beside/ });
});
