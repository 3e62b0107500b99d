import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { runLine } from '@zerotouch/scripts/examples/line';
import t from 'tap';

/** As many as the issue asks for; fewer for a quick look. */
const DEVICES = Number(process.env.ZT_LINE_DEVICES ?? 10_000);
/** Certificates that openssl is handed at a time. */
const AT_ONCE = 500;

const spec = (attestation: string): string => `version: 1
batch: line-${attestation}
groups:
  - { enrolmentGroup: line-1, attestation: ${attestation}, registrationId: 'pump-{serial}', serial: { count: ${DEVICES} } }
`;
const last = `pump-${String(DEVICES).padStart(6, '0')}`;
const sample = ['pump-000001', `pump-${String(Math.ceil(DEVICES / 2)).padStart(6, '0')}`, last];

for (const attestation of ['x509', 'symmetric-key']) {
  t.test(`${DEVICES} devices by ${attestation} go the whole line`, { timeout: 800_000 }, async (t) => {
    const out = join(t.testdir(), 'out');
    const summary = await runLine({ spec: spec(attestation), out, sample, say: (text) => t.comment(text) });
    t.match(summary, { burnt: DEVICES, audited: DEVICES, enrolled: { created: 1, updated: 0, unchanged: 0 }, shipped: DEVICES });
    t.strictSame(Object.keys(summary.booted), sample);
    if (attestation === 'x509') t.equal(await acceptedByOpenssl(out, t.testdirName), DEVICES);
  });
}

/** How many leaves `openssl verify` accepts below the root, through the line that each image carries. */
async function acceptedByOpenssl(out: string, scratch: string): Promise<number> {
  const leaves: string[] = [];
  const lines = new Set<string>();
  for (const name of readdirSync(join(out, 'images')).filter((file) => file.endsWith('.bin'))) {
    const { secureCert } = openImage(memoryStorage(readFileSync(join(out, 'images', name))));
    const [leaf = '', ...issuers] =
      secureCert?.deviceCertificate.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
    for (const issuer of issuers) lines.add(issuer);
    const path = join(scratch, `${name}.pem`);
    writeFileSync(path, leaf);
    leaves.push(path);
  }
  const untrusted = join(scratch, 'lines.pem');
  writeFileSync(untrusted, [...lines].join(''));
  let accepted = 0;
  for (let start = 0; start < leaves.length; start += AT_ONCE) {
    const chosen = leaves.slice(start, start + AT_ONCE);
    const { stdout } = await promisify(execFile)(
      'openssl',
      ['verify', '-purpose', 'sslclient', '-CAfile', join(out, 'ca', 'root.pem'), '-untrusted', untrusted, ...chosen],
      { maxBuffer: 1 << 24 },
    );
    accepted += stdout.split('\n').filter((line) => line.endsWith(': OK')).length;
  }
  return accepted;
}
