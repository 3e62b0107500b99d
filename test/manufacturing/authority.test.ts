import { createPrivateKey, X509Certificate } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { burn, certified, clockAt, enrolmentsIn, imageOf, MIXED, MIXED_IDS, manifestIn } from './workbench.js';

const bothOf = (stem: string): string[] => [`${stem}.pem`, `${stem}.key`];
const DAY_MS = 86_400_000;
const certificateIn = (folder: string, name: string): X509Certificate => new X509Certificate(readFileSync(join(folder, `${name}.pem`)));
const pemBlocks = (text: string): string[] => text.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----\n/g) ?? [];
const spanOf = (certificate: X509Certificate): [number, number] => [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];

t.test('what a batch certifies holds, to an eye of its own', async (t) => {
  const out = join(t.testdir(), 'out');
  await burn(MIXED, out, { clock: clockAt('2026-11-23T12:00:00.500Z') });
  const ca = join(out, 'ca');
  const [root, line, individuals] = ['root', 'line-x-group', 'line'].map((name) => certificateIn(ca, name));
  if (root === undefined || line === undefined || individuals === undefined) throw new Error('no certificates');

  t.test('root and lines', async (t) => {
    t.ok(root.ca && root.checkIssued(root) && root.verify(root.publicKey));
    for (const [certificate, name] of [
      [line, 'line-x-group'],
      [individuals, 'line'],
    ] as const) {
      t.ok(certificate.ca && certificate.checkIssued(root) && certificate.verify(root.publicKey), name);
      t.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(ca, `${name}.key`)))), name);
      t.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    }
    t.not(line.fingerprint256, individuals.fingerprint256);
    // Basic constraints, critical, CA with path length 0; source: RFC 5280, 4.2.1.9.
    t.ok(line.raw.includes(Buffer.from('551d130101ff040830060101ff020100', 'hex')));
    t.ok(root.raw.includes(Buffer.from('551d130101ff040530030101ff', 'hex')));
  });

  t.test('device certificates', async (t) => {
    const serials = new Set<string>();
    for (const id of MIXED_IDS.filter((name) => name.startsWith('x'))) {
      const { secureCert } = imageOf(out, id);
      const [leafPem = '', linePem = '', ...others] = pemBlocks(secureCert?.deviceCertificate ?? '');
      const leaf = new X509Certificate(leafPem);
      const issuer = new X509Certificate(linePem);
      t.strictSame(others, []);
      t.equal(leaf.subject, `CN=${id}`);
      t.equal(leaf.ca, false);
      t.strictSame(leaf.keyUsage, ['1.3.6.1.5.5.7.3.2'], 'TLS clients only');
      t.ok(leaf.raw.includes(Buffer.from('551d0f0101ff040403020780', 'hex')), 'digital signature only');
      t.equal(issuer.fingerprint256, (id.startsWith('xi') ? individuals : line).fingerprint256);
      t.ok(leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey));
      t.ok(leaf.checkPrivateKey(createPrivateKey(secureCert?.privateKey ?? '')));
      t.equal(new X509Certificate(secureCert?.caCertificate ?? '').fingerprint256, root.fingerprint256);
      t.match(leaf.serialNumber, /^[4-7][0-9A-F]{31}$/, 'positive, 16 bytes');
      serials.add(leaf.serialNumber);
      const entry = manifestIn(out).devices.find(({ registrationId }) => registrationId === id);
      t.strictSame(entry?.certificate, {
        serialNumber: leaf.serialNumber,
        thumbprint: leaf.fingerprint256.replaceAll(':', ''),
        notAfter: new Date(leaf.validTo).toISOString(),
      });
      const [[leafFrom, leafTo], [lineFrom, lineTo], [rootFrom, rootTo]] = [spanOf(leaf), spanOf(issuer), spanOf(root)];
      t.ok(rootFrom <= lineFrom && lineFrom <= leafFrom && leafTo <= lineTo && lineTo <= rootTo, 'leaf within line within root');
      t.equal(leafFrom, Date.parse('2026-11-22T12:00:00Z'), 'a day back');
      t.equal(leafTo, Date.parse('2026-11-23T12:00:00Z') + 3650 * DAY_MS);
    }
    t.equal(serials.size, 5);
  });

  t.test('the root is proved, the line signs the group', async (t) => {
    const { certificates, enrollmentGroups } = enrolmentsIn(out);
    t.equal(certificates.length, 1);
    const [proved] = certificates;
    const proof = new X509Certificate(proved?.verification.certificate ?? '');
    t.match(proved?.name, /^mixed-root-[0-9a-f]{8}$/);
    t.equal(new X509Certificate(proved?.certificate ?? '').fingerprint256, root.fingerprint256);
    t.match(proved?.verification.code, /^[0-9A-F]{48}$/);
    t.equal(proof.subject, `CN=${proved?.verification.code}`);
    t.ok(proof.checkIssued(root) && proof.verify(root.publicKey));
    t.not(proof.ca, true);
    const attestation = enrollmentGroups[0]?.attestation;
    const signing = attestation?.type === 'x509' ? attestation.x509.signingCertificates?.primary?.certificate : undefined;
    t.equal(new X509Certificate(signing ?? '').fingerprint256, line.fingerprint256);
  });
});

t.test('days of validity, and a leaf that has expired since', async (t) => {
  const out = join(t.testdir(), 'out');
  const text = certified().replace('count: 2 }', 'count: 2 }, validity: { days: 1 }');
  await burn(text, out, { clock: clockAt('2020-02-01T00:00:00Z') });
  t.equal(manifestIn(out).devices[0]?.certificate?.notAfter, '2020-02-02T00:00:00.000Z');
});

t.test('dates beyond 2049 are written as X.509 wants them', async (t) => {
  const out = join(t.testdir(), 'out');
  await burn(certified(), out, { clock: clockAt('2044-06-01T00:00:00Z') });
  t.equal(manifestIn(out).devices[0]?.certificate?.notAfter, '2054-05-30T00:00:00.000Z');
  t.equal(new Date(certificateIn(join(out, 'ca'), 'root').validTo).toISOString(), '2064-05-27T00:00:00.000Z');
});

t.test('batches share a root, and a group its line', async (t) => {
  const dir = t.testdir();
  const shared = `authority: { directory: ${join(dir, 'ca')} }\n`;
  await burn(certified(shared), join(dir, 'a'));
  const after = readdirSync(join(dir, 'ca')).sort();
  t.strictSame(after, ['line-x-group.key', 'line-x-group.pem', 'manifest.key', 'manifest.pem', 'root.key', 'root.pem']);
  t.notOk(existsSync(join(dir, 'a', 'ca')));
  await burn(certified(shared).replace('batch: certified', 'batch: second'), join(dir, 'b'));
  t.strictSame(readdirSync(join(dir, 'ca')).sort(), after);
  await burn(certified(shared).replace('x-group', 'y-group'), join(dir, 'c'));
  t.equal(readdirSync(join(dir, 'ca')).length, 8);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => manifestIn(join(dir, name)).authority);
  t.strictSame(a, b);
  t.strictSame(a?.root, c?.root);
  t.notSame(a?.lines, c?.lines);
  const [first, second] = ['a', 'b'].map((name) => enrolmentsIn(join(dir, name)).certificates[0]);
  t.equal(first?.name, second?.name, 'one root, one name');
  t.not(first?.verification.code, second?.verification.code);
});

t.test('an authority that cannot be used is refused before anything is written', async (t) => {
  const made = t.testdir();
  const foreign = join(made, 'foreign');
  await burn(certified(`authority: { directory: ${foreign} }\n`, 1), join(made, 'x'), { clock: clockAt('2026-11-23T00:00:00Z') });

  const cases: [
    what: string,
    damage: (ca: string) => void,
    moment: string,
    fault: { code: string; [detail: string]: string | RegExp },
    wish?: string,
  ][] = [
    ['no root key', (ca) => rmSync(join(ca, 'root.key')), '2026-12-01', { code: 'AUTHORITY_INCOMPLETE', where: /root\.key$/ }],
    [
      'no line certificate',
      (ca) => rmSync(join(ca, 'line-x-group.pem')),
      '2026-12-01',
      { code: 'AUTHORITY_INCOMPLETE', where: /line-x-group\.pem$/ },
    ],
    [
      'a line without its root',
      (ca) => {
        for (const name of bothOf('root')) rmSync(join(ca, name));
      },
      '2026-12-01',
      { code: 'AUTHORITY_INCOMPLETE', where: /root\.pem$/ },
    ],
    [
      'the key of another',
      (ca) => copyFileSync(join(foreign, 'root.key'), join(ca, 'root.key')),
      '2026-12-01',
      { code: 'AUTHORITY_INVALID', where: /root\.key$/, message: /does not match/ },
    ],
    [
      'the root of another',
      (ca) => {
        for (const name of bothOf('root')) copyFileSync(join(foreign, name), join(ca, name));
      },
      '2026-12-01',
      { code: 'AUTHORITY_INVALID', where: /line-x-group\.pem$/, message: /did not issue/ },
    ],
    [
      'a line as root',
      (ca) => {
        for (const kind of ['pem', 'key']) copyFileSync(join(ca, `line-x-group.${kind}`), join(ca, `root.${kind}`));
      },
      '2026-12-01',
      { code: 'AUTHORITY_INVALID', where: /root\.pem$/, message: /not self-signed/ },
    ],
    [
      'no PEM',
      (ca) => writeFileSync(join(ca, 'root.pem'), 'damaged'),
      '2026-12-01',
      { code: 'AUTHORITY_INVALID', where: /root\.pem$/, expected: /PEM/ },
    ],
    [
      'no CA',
      (ca) => {
        const { secureCert } = imageOf(join(made, 'x'), 'x-000001');
        writeFileSync(join(ca, 'root.pem'), secureCert?.deviceCertificate ?? '');
        writeFileSync(join(ca, 'root.key'), secureCert?.privateKey ?? '');
      },
      '2026-12-01',
      { code: 'AUTHORITY_INVALID', where: /root\.pem$/, message: /not one of an authority/ },
    ],
    ['not valid yet', () => {}, '2025-01-01', { code: 'AUTHORITY_EXPIRED', message: /not valid yet/ }],
    ['expired', () => {}, '2050-01-01', { code: 'AUTHORITY_EXPIRED', message: /has expired/ }],
    [
      'good for less long than the devices',
      () => {},
      '2035-01-01',
      { code: 'AUTHORITY_TOO_SHORT', where: /line-x-group\.pem$/, remedy: /validity\.days/ },
      'count: 1 }, validity: { beyondIssuer: refuse }',
    ],
  ];
  for (const [index, [what, damage, moment, fault, wish = 'count: 1 }']] of cases.entries()) {
    const ca = join(made, `ca-${index}`);
    const spec = certified(`authority: { directory: ${ca} }\n`, 1).replace('count: 1 }', wish);
    await burn(spec, join(made, `first-${index}`), { clock: clockAt('2026-11-23T00:00:00Z') });
    damage(ca);
    const before = readdirSync(ca);
    const out = join(made, `second-${index}`);
    await t.rejects(burn(spec, out, { clock: clockAt(`${moment}T00:00:00Z`) }), fault, what);
    t.notOk(existsSync(out), what);
    t.strictSame(readdirSync(ca), before, what);
  }
});

t.test('an authority of another tool, with text around it, is used under its own name', async (t) => {
  const dir = t.testdir();
  const ca = join(dir, 'ca');
  await burn(certified(`authority: { directory: ${ca} }\n`), join(dir, 'a'));
  const pem = join(ca, 'root.pem');
  writeFileSync(pem, `Certificate:\n    Data: ...\n${readFileSync(pem, 'utf8')}`);
  renameSync(join(ca, 'line-x-group.pem'), join(dir, 'kept.pem'));
  renameSync(join(ca, 'line-x-group.key'), join(dir, 'kept.key'));
  await burn(certified(`authority: { directory: ${ca} }\n`), join(dir, 'b'));
  t.match(imageOf(join(dir, 'b'), 'x-000001').secureCert?.caCertificate, /^-----BEGIN CERTIFICATE-----/);
});
