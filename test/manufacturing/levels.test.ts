import { X509Certificate } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import type { BurnEvent } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t from 'tap';
import { found } from './audit/batch-cases.js';
import { burn, certified, clockAt, enrolmentsIn, imageOf, manifestIn } from './workbench.js';

const pemBlocks = (text = ''): X509Certificate[] =>
  (text.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----\n/g) ?? []).map((block) => new X509Certificate(block));
const span = ({ validFrom, validTo }: X509Certificate): [number, number] => [Date.parse(validFrom), Date.parse(validTo)];

/** Basic constraints of a CA with that path length. Source: RFC 5280, 4.2.1.9. */
const pathLength = (length: number): Buffer => Buffer.from(`551d130101ff040830060101ff0201${length.toString(16).padStart(2, '0')}`, 'hex');

const CASES: [levels: string, enrolledBy: string | undefined, stems: string[], signing: string | undefined][] = [
  ['root, line, batch', undefined, ['root', 'line-x-group', 'batch-certified@x-group'], 'line-x-group'],
  ['root, line, batch', 'batch', ['root', 'line-x-group', 'batch-certified@x-group'], 'batch-certified@x-group'],
  ['root, line, batch', 'root', ['root', 'line-x-group', 'batch-certified@x-group'], undefined],
  ['root, batch', undefined, ['root', 'batch-certified@x-group'], 'batch-certified@x-group'],
  ['line, batch', undefined, ['line-x-group', 'batch-certified@x-group'], undefined],
  ['root', undefined, ['root'], undefined],
  ['line', undefined, ['line-x-group'], undefined],
];

for (const [levels, enrolledBy, stems, signing] of CASES) {
  t.test(`levels ${levels}, enrolled by ${enrolledBy ?? 'what is usual'}`, async (t) => {
    const out = join(t.testdir(), 'out');
    const wish = enrolledBy === undefined ? '' : `, enrolmentCertificate: ${enrolledBy}`;
    const spec = certified(`authority: { directory: ${join(out, 'ca')}, levels: [${levels}] }\n`, 2).replace('x509,', `x509${wish},`);
    t.match(await burn(spec, out), { burnt: 2, failures: [] });
    const made = readdirSync(join(out, 'ca')).filter((name) => name.endsWith('.pem') && name !== 'manifest.pem');
    t.strictSame(made.sort(), stems.map((stem) => `${stem}.pem`).sort());
    const authorities = stems.map((stem) => new X509Certificate(readFileSync(join(out, 'ca', `${stem}.pem`))));

    const { secureCert } = imageOf(out, 'x-000001');
    const [leaf, ...sent] = pemBlocks(secureCert?.deviceCertificate);
    const chain = [leaf, ...sent, ...pemBlocks(secureCert?.caCertificate)].filter((one) => one !== undefined);
    t.strictSame(
      chain.slice(1).map(({ fingerprint256 }) => fingerprint256),
      authorities.map(({ fingerprint256 }) => fingerprint256).reverse(),
      'the image holds the whole chain, in its order',
    );
    for (const [index, certificate] of chain.entries()) {
      const issuer = chain[index + 1] ?? certificate;
      t.ok(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
      const [[from, to], [issuerFrom, issuerTo]] = [span(certificate), span(issuer)];
      t.ok(issuerFrom <= from && to <= issuerTo, 'good within its issuer');
      if (index > 1 && index < chain.length - 1) t.ok(certificate.raw.includes(pathLength(index - 1)));
    }
    const [group] = enrolmentsIn(out).enrollmentGroups;
    const x509 = group?.attestation.type === 'x509' ? group.attestation.x509 : undefined;
    if (signing === undefined) t.strictSame(x509, { caReferences: { primary: enrolmentsIn(out).certificates[0]?.name } });
    else t.equal(x509?.signingCertificates?.primary?.certificate, readFileSync(join(out, 'ca', `${signing}.pem`), 'utf8'));
    t.strictSame(await found(out, { spec: parseSpec(spec, 'batch.yaml') }), []);
    const { authority } = manifestIn(out);
    t.equal(authority?.root === undefined, !levels.includes('root'));
    t.equal(authority?.batches?.length ?? 0, levels.includes('batch') ? 1 : 0);

    await using cloud = await startCloud({ retryAfterSeconds: 0 });
    await cloud.import(enrolmentsIn(out));
    const device = await powerOn({
      flash: memoryStorage(readFileSync(join(out, 'images', 'x-000001.bin'))),
      client: 'sdk',
      endpoint: {
        dpsHost: 'localhost',
        dpsPort: cloud.dps.mqttPort,
        gateway: { host: 'localhost', port: cloud.dps.mqttPort },
        ca: cloud.ca,
      },
      giveUpWhenRefused: true,
      signal: AbortSignal.timeout(60_000),
    });
    t.ok(device.hub, 'the official client gets in');
    await device.stop();
  });
}

t.test('batches of one line have each an intermediate of their own below it', async (t) => {
  const dir = t.testdir();
  const ca = join(dir, 'ca');
  const spec = certified(`authority: { directory: ${ca}, levels: [root, line, batch] }\n`, 1);
  await burn(spec, join(dir, 'a'));
  const second = spec.replace('batch: certified', 'batch: second').replace('count: 1', 'start: 5, count: 1');
  await burn(second, join(dir, 'b'));
  t.strictSame(
    readdirSync(ca).filter((name) => name.startsWith('batch')),
    ['batch-certified@x-group.key', 'batch-certified@x-group.pem', 'batch-second@x-group.key', 'batch-second@x-group.pem'],
  );
  t.strictSame(
    enrolmentsIn(join(dir, 'a')).enrollmentGroups[0]?.attestation,
    enrolmentsIn(join(dir, 'b')).enrollmentGroups[0]?.attestation,
    'DPS learns nothing new',
  );
});

t.test('a line without room below it is not given a batch level', async (t) => {
  const dir = t.testdir();
  const ca = join(dir, 'ca');
  await burn(certified(`authority: { directory: ${ca} }\n`, 1), join(dir, 'a'));
  const deeper = certified(`authority: { directory: ${ca}, levels: [root, line, batch] }\n`, 1).replace(
    'batch: certified',
    'batch: second',
  );
  await t.rejects(burn(deeper, join(dir, 'b')), {
    code: 'AUTHORITY_INVALID',
    where: /line-x-group\.pem$/,
    message: /path length/,
    seen: 0,
  });
  t.notOk(existsSync(join(dir, 'b')));
});

t.test('a batch intermediate of another line is refused', async (t) => {
  const dir = t.testdir();
  const specOf = (ca: string, name: string) =>
    certified(`authority: { directory: ${join(dir, ca)}, levels: [root, line, batch] }\n`, 1).replace('batch: certified', `batch: ${name}`);
  await burn(specOf('ca', 'a'), join(dir, 'a'));
  await burn(specOf('foreign', 'b'), join(dir, 'b'));
  for (const kind of ['pem', 'key'])
    copyFileSync(join(dir, 'foreign', `batch-b@x-group.${kind}`), join(dir, 'ca', `batch-b@x-group.${kind}`));
  await t.rejects(burn(specOf('ca', 'b'), join(dir, 'c')), { code: 'AUTHORITY_INVALID', where: /batch-b@x-group\.pem$/ });
});

t.test('keys of single levels are kept apart, each under its own passphrase', async (t) => {
  const dir = t.testdir();
  const ca = join(dir, 'ca');
  const custody = 'passphrase: "env:ROOT", custody: { line: { passphrase: "@line" }, batch: {} }';
  const spec = certified(`authority: { directory: ${ca}, levels: [root, line, batch], ${custody} }\n`, 1);
  const secrets = { 'env:ROOT': 'red', '@line': 'blue' };
  t.match(await burn(spec, join(dir, 'a'), { secrets, workers: 2 }), { burnt: 1, failures: [] });
  const key = (stem: string) => readFileSync(join(ca, `${stem}.key`), 'utf8');
  for (const stem of ['root', 'line-x-group']) t.match(key(stem), /BEGIN ENCRYPTED/);
  t.match(key('batch-certified@x-group'), /BEGIN PRIVATE KEY/);
  const again = spec.replace('batch: certified', 'batch: again').replace('count: 1', 'start: 3, count: 1');
  t.match(await burn(again, join(dir, 'b'), { secrets }), { burnt: 1, failures: [] });
  const swapped = { 'env:ROOT': 'blue', '@line': 'red' };
  await t.rejects(burn(again, join(dir, 'c'), { secrets: swapped }), { code: 'PASSPHRASE', where: join(ca, 'root.key') });
  await t.rejects(burn(again, join(dir, 'c'), { passphrase: 'red' }), { code: 'PASSPHRASE', where: 'authority.custody.line.passphrase' });
});

t.test('what levels cannot be', (t) => {
  const refused = (levels: string, change: [string, string], message: RegExp) =>
    t.throws(() => parseSpec(certified(`authority: { directory: ca, levels: [${levels}] }\n`).replace(...change), 'b.yaml'), {
      code: 'SPEC_INVALID',
      message,
    });
  refused('line, root', ['x', 'x'], /in this order/);
  refused('root, root', ['x', 'x'], /at most once/);
  refused('root', ['x509,', 'x509, enrolmentCertificate: line,'], /one of root/);
  refused('root', ['x509,', 'symmetric-key, enrolmentCertificate: root,'], /only beside attestation: x509/);
  const two = '  - { enrolmentGroup: y, attestation: x509, registrationId: "y-{serial}", serial: { start: 9, count: 1 } }\n';
  t.throws(() => parseSpec(`${certified('authority: { directory: ca, levels: [root] }\n')}${two}`, 'b.yaml'), {
    message: /one x509 group/,
  });
  t.end();
});

t.test('a leaf that would outlive its issuer ends with it, or outlives it, or is not made: as the spec wants it', async (t) => {
  const dir = t.testdir();
  const ca = join(dir, 'ca');
  const specOf = (name: string, beyond: string) =>
    certified(`authority: { directory: ${ca} }\n`, 1)
      .replace('batch: certified', `batch: ${name}`)
      .replace('count: 1 }', `count: 1 }, validity: { days: 3650${beyond} }`);
  await burn(specOf('first', ''), join(dir, 'first'), { clock: clockAt('2026-11-23T00:00:00Z') });
  const lineEnd = Date.parse(new X509Certificate(readFileSync(join(ca, 'line-x-group.pem'))).validTo);
  const late = clockAt('2036-01-01T00:00:00Z');
  const wanted = late.now() + 3650 * 86_400_000;
  for (const [name, beyond, end, code] of [
    ['clamped', '', lineEnd, 'LEAF_CLAMPED'],
    ['outliving', ', beyondIssuer: warn', wanted, 'LEAF_OUTLIVES_ISSUER'],
  ] as const) {
    const out = join(dir, name);
    const warnings: BurnEvent[] = [];
    const onProgress = (event: BurnEvent) => void (event.kind === 'warning' && warnings.push(event));
    t.match(await burn(specOf(name, beyond), out, { clock: late, onProgress }), { burnt: 1, failures: [] });
    t.match(warnings, [{ warning: { code, where: 'groups[0].validity', message: /2041-11-1/ } }]);
    t.equal(Date.parse(manifestIn(out).devices[0]?.certificate?.notAfter ?? ''), end);
    const told = (await found(out, { clock: late, root: join(ca, 'root.pem') })).map((finding) => finding.code);
    t.strictSame(told, name === 'clamped' ? [] : ['LEAF_OUTLIVES_ISSUER'], 'and the audit finds it');
  }
  await t.rejects(burn(specOf('refused', ', beyondIssuer: refuse'), join(dir, 'refused'), { clock: late }), {
    code: 'AUTHORITY_TOO_SHORT',
  });
  t.notOk(existsSync(join(dir, 'refused')));
});
