import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  X509Certificate as Parsed,
  SubjectKeyIdentifierExtension,
} from '@peculiar/x509';
import { commonName } from '@zerotouch/azure-wire/common-name';
import { drawSerialNumber, issueCertificate, makeKeyPair, publicKeyBytes } from '@zerotouch/manufacturing/certificates';
import { elementAt, signedPartsOf, wrap } from '@zerotouch/manufacturing/der';
import { stampLeaf } from '@zerotouch/manufacturing/stamp';
import fc from 'fast-check';
import t from 'tap';
import { chain, entropy, validity } from './stamp-chain.js';

/** The same certificate, laid out and signed by way of the library. */
const byLibrary = async (request: Parameters<typeof stampLeaf>[0]) => {
  const { registrationId, publicKey, serialNumber } = request;
  return new Parsed(
    await issueCertificate(
      {
        commonName: registrationId,
        publicKey,
        serialNumber,
        validity: request.validity,
        extensions: [new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.2'])],
      },
      request.issuer,
    ),
  );
};
const tbs = (der: ArrayBuffer | Buffer) => signedPartsOf(Buffer.from(der as ArrayBuffer)).tbs.toString('hex');

t.test('what is stamped is, byte for byte, what the library lays out', async () => {
  const { line } = await chain();
  const keys = await Promise.all(Array.from({ length: 4 }, async () => publicKeyBytes((await makeKeyPair()).publicKey)));
  const id = fc.stringMatching(/^[A-Za-z0-9\-._:]{0,63}[A-Za-z0-9-]$/);
  await fc.assert(
    fc.asyncProperty(id, fc.nat(3), async (registrationId, key) => {
      const publicKey = keys[key] ?? Buffer.alloc(0);
      const request = { registrationId, publicKey, issuer: line, validity, serialNumber: drawSerialNumber(entropy) };
      const leaf = await stampLeaf(request);
      const expected = await byLibrary(request);
      return (
        tbs(leaf.certificate.raw) === tbs(expected.rawData) &&
        leaf.certificate.verify(line.certificate.publicKey) &&
        commonName(leaf.certificate) === registrationId
      );
    }),
    { numRuns: 80 },
  );
});

t.test('a stamped leaf says what a device certificate says, to the library and to Node', async (t) => {
  const { line } = await chain();
  for (const registrationId of ['pump-000001', 'pump-000002']) {
    const { publicKey } = await makeKeyPair();
    const serialNumber = drawSerialNumber(entropy);
    const leaf = await stampLeaf({ registrationId, publicKey: publicKeyBytes(publicKey), issuer: line, validity, serialNumber });
    const parsed = new Parsed(leaf.pem);
    t.equal(parsed.subject, `CN=${registrationId}`);
    t.equal(parsed.issuer, 'CN=stamp line');
    t.equal(parsed.serialNumber, serialNumber.toString('hex'));
    t.same([parsed.notBefore, parsed.notAfter], [validity.notBefore, validity.notAfter]);
    t.same(parsed.getExtension(ExtendedKeyUsageExtension)?.usages, ['1.3.6.1.5.5.7.3.2']);
    t.equal(parsed.getExtension(BasicConstraintsExtension)?.ca, false);
    t.equal(parsed.getExtension(AuthorityKeyIdentifierExtension)?.keyId, line.keyId);
    t.equal(
      parsed.getExtension(SubjectKeyIdentifierExtension)?.keyId,
      (await SubjectKeyIdentifierExtension.create(parsed.publicKey)).keyId,
    );
    t.equal(await parsed.verify({ publicKey: new Parsed(line.pem).publicKey }), true);
    t.ok(leaf.certificate.checkIssued(line.certificate));
    t.notOk(leaf.certificate.ca);
    t.same(publicKeyBytes(new X509Certificate(leaf.pem).publicKey), publicKeyBytes(publicKey));
  }
});

t.test('a name that no template takes is laid out by the library alone', async (t) => {
  const { line } = await chain();
  const { publicKey } = await makeKeyPair();
  const leaf = await stampLeaf({
    registrationId: 'pümp',
    publicKey: publicKeyBytes(publicKey),
    issuer: line,
    validity,
    serialNumber: drawSerialNumber(entropy),
  });
  t.equal(commonName(leaf.certificate), 'pümp');
});

t.test('lengths of every form are wrapped', async (t) => {
  for (const length of [0, 1, 127, 128, 255, 256, 5000]) {
    const der = wrap(0x30, Buffer.alloc(length));
    const { contents, end } = elementAt(der, 0);
    t.equal(end - contents, length);
    t.equal(end, der.length);
  }
});
