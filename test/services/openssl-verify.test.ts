import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drawSerialNumber, makeKeyPair, publicKeyBytes } from '@zerotouch/manufacturing/certificates';
import { stampLeaf } from '@zerotouch/manufacturing/stamp';
import t from 'tap';
import { chain, entropy, validity } from '../manufacturing/stamp-chain.js';

for (const [what, ca] of [
  ['P-256', { namedCurve: 'P-256' }],
  ['P-384', { namedCurve: 'P-384' }],
  ['RSA', { modulusLength: 2048 }],
] as const) {
  t.test(`openssl verifies leaves of every kind of key under a ${what} authority`, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'zt-stamp-'));
    t.teardown(() => rmSync(dir, { recursive: true }));
    const { root, line } = await chain(ca);
    writeFileSync(join(dir, 'root.pem'), root.pem);
    writeFileSync(join(dir, 'line.pem'), line.pem);
    const leaves: string[] = [];
    for (const kind of ['p256', 'p384', 'rsa2048'] as const) {
      for (const registrationId of [`${kind}-1`, `${kind}_2`]) {
        const { publicKey } = await makeKeyPair(kind);
        const leaf = await stampLeaf({
          registrationId,
          publicKey: publicKeyBytes(publicKey),
          issuer: line,
          validity,
          serialNumber: drawSerialNumber(entropy),
        });
        leaves.push(join(dir, `${registrationId}.pem`));
        writeFileSync(leaves.at(-1) ?? '', leaf.pem);
      }
    }
    const said = execFileSync('openssl', [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslclient',
      '-CAfile',
      join(dir, 'root.pem'),
      '-untrusted',
      join(dir, 'line.pem'),
      ...leaves,
    ]).toString();
    t.equal(said.match(/: OK$/gm)?.length, leaves.length, said);
  });
}
