import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { readIdentity } from '@zerotouch/firmware-sim/identity/identity';
import { systemFiles } from '@zerotouch/manufacturing/files';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { openRequests } from '@zerotouch/manufacturing/requests';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t, { type Test } from 'tap';
import { found } from './audit/batch-cases.js';
import { burn, certified, enrolmentsIn, imageOf, manifestIn } from './workbench.js';

/** Made by OpenSSL 3: `openssl req -new -subj /O=works/CN=x-000001`. */
const BY_OPENSSL = `-----BEGIN CERTIFICATE REQUEST-----
MIHeMIGFAgEAMCMxDjAMBgNVBAoMBXdvcmtzMREwDwYDVQQDDAh4LTAwMDAwMTBZ
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABPdfRmSYUUbSbUtxJ/VDcMxMRVP/d/am
GOPgyDf0DbNi6njJ0ldLxFbEa62F71SXMa8Q3VUGr8ORmL4oM2VFGA6gADAKBggq
hkjOPQQDAgNIADBFAiEAudJt8mJ7nWNK39r1I50y9Ec5wfd1QYLgw97CTcPh3CYC
IBQdgADtRrulahn/Vyc1zRiz+HKdV/of2Pn8BN2LPiK3
-----END CERTIFICATE REQUEST-----
`;

type Algorithm = webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams;
const P256: Algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: Uint8Array.of(1, 0, 1), modulusLength: 2048 };

interface Wishes {
  algorithm?: Algorithm;
  keys?: webcrypto.CryptoKeyPair;
}

async function draw(algorithm: Algorithm = P256): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
}

/** A request for a name, DER, and its key. */
async function request(name: string, { algorithm = P256, keys }: Wishes = {}): Promise<Buffer> {
  const own = keys ?? (await draw(algorithm));
  const made = await Pkcs10CertificateRequestGenerator.create({
    name,
    keys: own,
    signingAlgorithm: { ...own.privateKey.algorithm, hash: 'SHA-256' },
  });
  return Buffer.from(made.rawData);
}

const pem = (der: Buffer): string => `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
const specOf = (folder: string, count = 2, more = ''): string =>
  certified('', count).replace('attestation: x509', `attestation: x509, certificateRequests: ${folder}${more}`);

async function folderOf(t: Test, files: Record<string, string | Buffer>): Promise<{ dir: string; folder: string }> {
  const dir = t.testdir();
  const folder = join(dir, 'requests');
  mkdirSync(folder);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  return { dir, folder };
}

t.test('requests in, certificates out: the images hold the chain and no key', async (t) => {
  const second = await request('CN=x-000002', { algorithm: RSA });
  const { dir, folder } = await folderOf(t, { 'from-the-hsm.csr': BY_OPENSSL, '2.der': second, 'other.pem': pem(await request('CN=y-1')) });
  const out = join(dir, 'out');
  const spec = specOf(folder);
  t.match(await burn(spec, out), { burnt: 2, failed: 0, failures: [] });

  const ledger = await openLedger(`sqlite:${join(out, 'ledger.db')}`);
  t.teardown(() => ledger.close());
  for (const [id, type] of [
    ['x-000001', 'ec'],
    ['x-000002', 'rsa'],
  ] as const) {
    const { secureCert } = imageOf(out, id);
    t.equal(secureCert?.privateKey, undefined);
    t.notMatch(readFileSync(join(out, 'images', `${id}.bin`), 'latin1'), /PRIVATE KEY/);
    const handed = readFileSync(join(out, 'certificates', `${id}.pem`), 'utf8');
    t.equal(handed, secureCert?.deviceCertificate, 'what is handed out is what the image holds');
    const leaf = new X509Certificate(handed);
    const line = new X509Certificate(readFileSync(join(out, 'ca', 'line-x-group.pem')));
    t.ok(leaf.checkIssued(line) && leaf.verify(line.publicKey));
    t.equal(leaf.subject, `CN=${id}`, 'the rest of the subject that was asked for is left out');
    t.equal(leaf.publicKey.asymmetricKeyType, type);
    const device = await ledger.device(id);
    t.equal(device?.identity?.publicKey, leaf.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'));
    t.equal(device?.identity?.thumbprint, leaf.fingerprint256.replaceAll(':', ''));
    t.equal(device?.identity?.certificateSerial, leaf.serialNumber);
    t.equal(manifestIn(out).devices.find(({ registrationId }) => registrationId === id)?.key, 'elsewhere');
    t.throws(() => readIdentity(imageOf(out, id)), { code: 'IDENTITY_KEY', message: /kept elsewhere/ });
  }
  t.strictSame(await found(out), [], 'the audit knows that the keys are elsewhere');
  t.strictSame(await found(out, { spec: parseSpec(spec, 'batch.yaml') }), []);
  const image = join(out, 'images', 'x-000001.bin');
  t.match(await found(image), [{ code: 'KEY_MISSING' }], 'by itself, an image cannot tell');
  t.strictSame(await found(image, { manifest: join(out, 'manifest.jsonl') }), []);
});

t.test('what cannot be certified is refused before anything is written', async (t) => {
  const keys = await draw();
  const good = await request('CN=x-000002');
  const tampered = await request('CN=x-000001');
  tampered.writeUInt8(tampered.readUInt8(tampered.length - 3) ^ 1, tampered.length - 3);
  const renamed = await request('CN=y-000001');
  renamed.write('x', renamed.indexOf('y-000001'), 'latin1');
  const of = async (name: string, wishes?: Wishes) => ({ 'a.csr': await request(name, wishes), 'b.csr': good });
  const small = { ...RSA, modulusLength: 1024 };
  const cases: [what: string, files: Record<string, string | Buffer>, fault: { code: string; [detail: string]: string | RegExp }][] = [
    ['none for a device', { 'b.csr': good }, { code: 'CSR_MISSING', expected: /x-000001/ }],
    ['a name in another case', await of('CN=X-000001'), { code: 'CSR_MISSING', seen: 'X-000001', expected: /exactly this case/ }],
    [
      'two for one device',
      { ...(await of('CN=x-000001')), 'c.csr': await request('CN=x-000001') },
      { code: 'CSR_INVALID', seen: 'x-000001' },
    ],
    [
      'one key for two',
      { 'a.csr': await request('CN=x-000001', { keys }), 'b.csr': await request('CN=x-000002', { keys }) },
      { code: 'CSR_INVALID', message: /key is that of x-000001/ },
    ],
    ['a signature that is not its own', { 'a.csr': tampered, 'b.csr': good }, { code: 'CSR_INVALID', message: /possession is not proved/ }],
    ['a name that was changed', { 'a.csr': renamed, 'b.csr': good }, { code: 'CSR_INVALID', message: /possession is not proved/ }],
    ['no common name', await of('O=works'), { code: 'CSR_INVALID', message: /no common name/ }],
    ['two common names', await of('CN=x-000001, CN=admin'), { code: 'CSR_INVALID', message: /several common names/ }],
    ['a weak key', await of('CN=x-000001', { algorithm: small }), { code: 'CSR_INVALID', expected: /RSA of 2048/ }],
    [
      'a certificate',
      { 'a.csr': '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n', 'b.csr': good },
      { code: 'CSR_INVALID' },
    ],
    ['two in one file', { 'a.csr': BY_OPENSSL + BY_OPENSSL, 'b.csr': good }, { code: 'CSR_INVALID', message: /several requests/ }],
    ['an empty file', { 'a.csr': '', 'b.csr': good }, { code: 'CSR_INVALID', message: /empty/ }],
    ['something else', { 'a.csr': 'a letter to my grandmother', 'b.csr': good }, { code: 'CSR_INVALID', expected: /PKCS #10/ }],
  ];
  for (const [what, files, fault] of cases) {
    const { dir, folder } = await folderOf(t, files);
    await t.rejects(burn(specOf(folder), join(dir, 'out')), fault, what);
    t.notOk(existsSync(join(dir, 'out')), what);
    rmSync(dir, { recursive: true });
  }
  const { dir } = await folderOf(t, {});
  await t.rejects(burn(specOf(join(dir, 'nowhere')), join(dir, 'out')), { code: 'CSR_INVALID', message: /no such folder/ });
});

t.test('a request that changes while the batch is burnt fails its device alone', async (t) => {
  const { dir, folder } = await folderOf(t, { 'a.csr': BY_OPENSSL, 'b.csr': await request('CN=x-000002') });
  const out = join(dir, 'out');
  let checked = false;
  const files = {
    ...systemFiles,
    async read(path: string) {
      if (checked && path.endsWith('a.csr')) return request('CN=x-000009');
      return systemFiles.read(path);
    },
  };
  const summary = await burn(specOf(folder), out, {
    files,
    onProgress: ({ kind }) => {
      checked ||= kind === 'authority';
    },
  });
  t.match(summary, { burnt: 1, failed: 1, failures: [{ registrationId: 'x-000001', reason: /common name/ }] });
  t.match(await burn(specOf(folder), out, { resume: true }), { burnt: 1, skipped: 1, failed: 0 });
  t.strictSame(readdirSync(join(out, 'certificates')).sort(), ['x-000001.pem', 'x-000002.pem']);
});

t.test('a device that was given up gets a certificate for the same key; an individual enrolment carries it', async (t) => {
  const { dir, folder } = await folderOf(t, { 'a.csr': BY_OPENSSL });
  const out = join(dir, 'out');
  const spec = specOf(folder, 1).replace('enrolmentGroup: x-group', 'enrolment: individual');
  let broken = true;
  const files = {
    ...systemFiles,
    rename: (from: string, to: string) =>
      broken && to.endsWith('.bin') ? Promise.reject(new Error('the disk is gone')) : systemFiles.rename(from, to),
  };
  t.match(await burn(spec, out, { files }), { failed: 1 });
  broken = false;
  t.match(await burn(spec, out, { files, resume: true }), { burnt: 1, failed: 0 });
  const [enrolment] = enrolmentsIn(out).enrollments;
  const enrolled = enrolment?.attestation.type === 'x509' ? enrolment.attestation.x509.clientCertificates?.primary?.certificate : undefined;
  const leaf = new X509Certificate(enrolled ?? '');
  t.equal(leaf.fingerprint256, new X509Certificate(readFileSync(join(out, 'certificates', 'x-000001.pem'))).fingerprint256);
  const ledger = await openLedger(`sqlite:${join(out, 'ledger.db')}`);
  t.teardown(() => ledger.close());
  t.strictSame(
    (await ledger.identities('x-000001')).map(({ status }) => status),
    ['void', 'burnt'],
  );
});

t.test('a key that another batch has is refused, device by device', async (t) => {
  const keys = await draw();
  const first = await folderOf(t, { 'a.csr': await request('CN=x-000001', { keys }) });
  const ledger = await openLedger(`sqlite:${join(first.dir, 'ledger.db')}`);
  t.teardown(() => ledger.close());
  t.match(await burn(specOf(first.folder, 1), join(first.dir, 'one'), { ledger }), { burnt: 1 });
  writeFileSync(join(first.folder, 'a.csr'), await request('CN=x-000002', { keys }));
  const second = specOf(first.folder, 1).replace('batch: certified', 'batch: second').replace('count: 1', 'start: 2, count: 1');
  await t.rejects(burn(second, join(first.dir, 'two'), { ledger }), { code: 'LEDGER_DUPLICATE', seen: 'x-000001 in batch certified' });
});

t.test('only devices that are asked for need a request, and each worker finds them by itself', async (t) => {
  const { folder } = await folderOf(t, { 'a.csr': BY_OPENSSL, '.DS_Store': 'junk' });
  const { groups } = parseSpec(specOf(folder, 1), 'batch.yaml');
  const [requests] = [...(await openRequests({ groups }, systemFiles)).values()];
  t.equal((await requests?.publicKeyOf('x-000001'))?.length, 91);
  await t.rejects(async () => requests?.publicKeyOf('x-000002'), { code: 'CSR_MISSING' });
});

t.test('requests go with certificates only, and bring their own keys', (t) => {
  for (const [change, message] of [
    [['attestation: x509', 'attestation: symmetric-key'], /only beside attestation: x509/],
    [['certificateRequests', 'key: p384, certificateRequests'], /no key beside certificateRequests/],
  ] as const)
    t.throws(() => parseSpec(specOf('csr').replace(change[0], change[1]), 'b.yaml'), { code: 'SPEC_INVALID', message });
  t.end();
});
