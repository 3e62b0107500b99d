import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readIdentity } from '@zerotouch/firmware-sim/identity/identity';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { replaceAuthority } from '@zerotouch/manufacturing/rework/replace-authority';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t from 'tap';
import { burn, certified, imageOf } from '../manufacturing/workbench.js';

/** `scripts/services.sh run` sets both: the module of SoftHSM2, and a folder in which pkcs11js is installed. */
const module = process.env.ZT_TEST_SOFTHSM;
const packages = process.env.ZT_TEST_PKCS11JS;
if (module === undefined || packages === undefined) throw new Error('set ZT_TEST_SOFTHSM and ZT_TEST_PKCS11JS: npm run test:services does');

const dir = mkdtempSync(join(tmpdir(), 'softhsm-'));
t.teardown(() => rmSync(dir, { recursive: true }));
process.chdir(packages);
const PIN = '741852';

t.before(() => {
  const conf = join(dir, 'softhsm2.conf');
  execFileSync('bash', [
    '-c',
    `mkdir -p "$1/tokens" && printf 'directories.tokendir = %s/tokens\\nobjectstore.backend = file\\nlog.level = ERROR\\n' "$1" > "$2"`,
    '-',
    dir,
    conf,
  ]);
  process.env.SOFTHSM2_CONF = conf;
  execFileSync('softhsm2-util', ['--init-token', '--free', '--label', 'line', '--pin', PIN, '--so-pin', '12345678']);
});

const spec = (name: string, label = 'line') =>
  certified(`authority: { directory: ${join(dir, 'ca')}, token: { module: ${module}, label: ${label}, pin: "env:PIN" } }\n`, 3).replace(
    'batch: certified',
    `batch: ${name}`,
  );

t.test('a wrong PIN, token or module is refused, and nothing is made', async (t) => {
  const failure = (text: string, passphrase: string): Promise<unknown> =>
    burn(text, join(dir, 'never'), { passphrase }).then(
      () => undefined,
      (error: unknown) => error,
    );
  t.match(await failure(spec('a', 'other'), PIN), { code: 'TOKEN_REFUSED', seen: ['line'], expected: 'other' });
  t.match(await failure(spec('a'), '000000'), { code: 'TOKEN_REFUSED', seen: 'CKR_PIN_INCORRECT' });
  t.match(await failure(spec('a').replace(module, '/nowhere.so'), PIN), { code: 'TOKEN_MODULE', where: '/nowhere.so' });
  await t.rejects(burn(spec('a'), join(dir, 'never')), { code: 'PASSPHRASE', where: 'authority.token.pin' });
  t.notOk(existsSync(join(dir, 'never')));
});

t.test('a CA whose key is in a token is replaced by one with a new key; the old one stays there under another label', async (t) => {
  const out = join(dir, 'leaky');
  const text = spec('leaky').replace('/ca,', '/leaky-ca, levels: [root, line, batch],').replace('count: 3', 'start: 50, count: 2');
  t.match(await burn(text, out, { passphrase: PIN }), { burnt: 2, failed: 0, failures: [] });
  const ledger = await openLedger(`sqlite:${join(out, 'ledger.db')}`);
  t.teardown(() => ledger.close());
  const key = () =>
    new X509Certificate(readFileSync(join(dir, 'leaky-ca', 'batch-leaky@x-group.pem'))).publicKey.export({ type: 'spki', format: 'pem' });
  const before = key();
  const base = { ledger, clock: systemClock, entropy: systemEntropy, author: { station: 'desk' }, passphrase: PIN };
  t.match(await replaceAuthority({ ...base, spec: parseSpec(text, 'b.yaml'), out, level: 'batch', reason: 'PIN was seen' }), {
    retired: 2,
  });
  t.not(key(), before);
  t.match(await burn(text, out, { passphrase: PIN, ledger, resume: true }), { burnt: 2, failed: 0, failures: [] });
});

t.test('the CA keys are made in the token, sign the batch, and are used again', async (t) => {
  const one = join(dir, 'one');
  t.match(await burn(spec('one'), one, { passphrase: PIN }), { burnt: 3, failed: 0, failures: [] });
  t.notOk(
    readdirSync(join(dir, 'ca')).some((name) => /^(root|line).*\.key$/.test(name)),
    'no CA key is on the disk',
  );
  const identity = readIdentity(imageOf(one, 'x-000001'));
  if (identity.attestation.kind !== 'x509') return t.fail('no certificate');
  execFileSync('bash', ['-c', 'cat > "$1/leaf.pem"', '-', dir], { input: identity.attestation.certificate });
  const said = execFileSync('openssl', [
    'verify',
    '-x509_strict',
    '-CAfile',
    join(dir, 'ca', 'root.pem'),
    '-untrusted',
    join(dir, 'ca', 'line-x-group.pem'),
    join(dir, 'leaf.pem'),
  ]);
  t.match(said.toString(), /: OK/);
  const root = readFileSync(join(dir, 'ca', 'root.pem'));
  t.match(await burn(spec('two'), join(dir, 'two'), { passphrase: PIN, workers: 2 }), { burnt: 3, failed: 0, failures: [] });
  t.same(readFileSync(join(dir, 'ca', 'root.pem')), root);
  return undefined;
});
