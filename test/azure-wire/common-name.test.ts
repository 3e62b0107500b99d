import 'reflect-metadata';
import { spawnSync } from 'node:child_process';
import { webcrypto, X509Certificate } from 'node:crypto';
import { type JsonName, Name, X509CertificateGenerator } from '@peculiar/x509';
import { commonName } from '@zerotouch/azure-wire/common-name';
import fc from 'fast-check';
import t from 'tap';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);

async function named(subject: JsonName): Promise<X509Certificate> {
  const certificate = await X509CertificateGenerator.create(
    {
      subject: new Name(subject),
      issuer: 'CN=issuer',
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: P256,
      serialNumber: '01',
      notBefore: new Date('2024-01-01T00:00:00Z'),
      notAfter: new Date('2034-01-01T00:00:00Z'),
    },
    webcrypto,
  );
  return new X509Certificate(Buffer.from(certificate.rawData));
}

t.test('the name comes as it was written, whatever is in it', async (t) => {
  for (const name of [
    'device-7',
    'a,b',
    'a+b',
    'a, CN=b',
    'quote"d',
    'less<more>',
    'semi;colon=',
    'a#1',
    ' spaced ',
    'line\nCN=evil',
    'zürich',
    'tab\t',
  ]) {
    t.equal(commonName(await named([{ CN: [name] }])), name);
  }
});

t.test('any printable name', async (t) => {
  // Not what the library that writes the certificates reads as its own: backslash, quotes, a leading #.
  const names = fc.string({ unit: fc.constantFrom(...'abXYZ019,+=;<>&$^.:-_@*()'), minLength: 1, maxLength: 64 });
  await fc.assert(
    fc.asyncProperty(names, async (name) => {
      t.equal(commonName(await named([{ CN: [name] }])), name);
    }),
    { numRuns: 40 },
  );
});

t.test('other parts of the subject are not taken for it', async (t) => {
  t.equal(commonName(await named([{ O: ['Contoso, CN=other'] }, { CN: ['device-7'] }, { OU: ['line\nCN=evil'] }])), 'device-7');
  t.equal(commonName(await named([{ CN: ['device-7'], OU: ['line 7'] }])), 'device-7', 'one part of two attributes');
});

t.test('no name, or more than one, is no name', async (t) => {
  t.equal(commonName(await named([{ OU: ['line 7'] }])), undefined);
  t.equal(commonName(await named([{ CN: ['a'] }, { CN: ['b'] }])), undefined);
  t.equal(commonName(await named([{ CN: ['a'] }, { CN: ['a'] }])), undefined);
});

t.test('reading a name leaves TLS as it was, in a process that has not used it yet', async (t) => {
  const { raw } = await named([{ CN: ['device-1'] }]);
  const door = import.meta.resolve('@zerotouch/azure-wire/common-name');
  const script = `
    const { X509Certificate } = await import('node:crypto');
    const { commonName } = await import(${JSON.stringify(door)});
    const name = commonName(new X509Certificate(Buffer.from('${raw.toString('base64')}', 'base64')));
    const { createSecureContext } = await import('node:tls');
    console.log(name, typeof createSecureContext);
  `;
  // Without what the test runner loads: that has used TLS by now.
  const env = { ...process.env, NODE_OPTIONS: '' };
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', env });
  t.equal(child.stdout.trim(), 'device-1 function', child.stderr);
});
