import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { composeImage } from '@zerotouch/flash-image/image';
import { type Files, systemFiles } from '@zerotouch/manufacturing/files';
import { readBack } from '@zerotouch/manufacturing/read-back';
import fc from 'fast-check';
import t from 'tap';
import { burn, certified, enrolmentsIn, imageOf, MIXED, manifestIn } from './workbench.js';

/** A disk on which one byte of one image turns over while it is written. */
function faultyDisk(registrationId: string, offset: number): Files {
  return {
    ...systemFiles,
    create(path, bytes, mode) {
      if (!path.includes(registrationId)) return systemFiles.create(path, bytes, mode);
      const written = Buffer.from(bytes);
      written[offset] = (written[offset] ?? 0) ^ 0x01;
      return systemFiles.create(path, written, mode);
    },
  };
}

t.test('a byte that turned over on the disk fails its device, with the place', async (t) => {
  const places: [what: string, offset: number, reason: RegExp][] = [
    ['the bootloader area', 0x10, /offset 0x10/],
    ['the partition table', 0x8004, /partition table/],
    ['a certificate', 0xd020, /esp_secure_cert/],
    ['the unused sector', 0xf000, /offset 0xf000/],
    ['the nvs of the device', 0x10000, /0x10000/],
    ['the factory data', 0x16060, /fctry/],
  ];
  for (const [what, offset, reason] of places) {
    const out = join(t.testdir(), 'out');
    const summary = await burn(certified('', 3), out, { files: faultyDisk('x-000002', offset) });
    t.match(summary, { burnt: 2, failed: 1, aborted: false }, what);
    t.match(summary.failures, [{ registrationId: 'x-000002', reason }], what);
    t.strictSame(readdirSync(join(out, 'images')).sort(), ['x-000001.bin', 'x-000003.bin'], what);
    t.strictSame(
      manifestIn(out).devices.map(({ registrationId }) => registrationId),
      ['x-000001', 'x-000003'],
      what,
    );
  }
});

t.test('a device that failed is not enrolled by itself', async (t) => {
  const out = join(t.testdir(), 'out');
  const summary = await burn(MIXED, out, { files: faultyDisk('xi-000021', 0xd100) });
  t.equal(summary.failed, 1);
  t.strictSame(
    enrolmentsIn(out).enrollments.map(({ registrationId }) => registrationId),
    ['xi-000022', 'ki:000031', 'ki:000032'],
  );
});

t.test('an image that another process took away', async (t) => {
  const out = join(t.testdir(), 'out');
  const files: Files = {
    ...systemFiles,
    read: (path) => (path.includes('x-000001') ? Promise.resolve(undefined) : systemFiles.read(path)),
  };
  t.match(await burn(certified(), out, { files }), { burnt: 1, failures: [{ registrationId: 'x-000001', reason: /the file is gone/ }] });
});

t.test('read-back by itself', async (t) => {
  const out = join(t.testdir(), 'out');
  await burn(MIXED, out);
  const certifiedImage = imageOf(out, 'x-000001');
  const other = imageOf(out, 'x-000002');
  const keyed = imageOf(out, 'k-000011');
  const { factory, secureCert } = certifiedImage;
  if (secureCert === undefined || other.secureCert === undefined) throw new Error('no certificate');
  const good = { factory, secureCert };
  const image = composeImage(good);
  const accepted = { image, forbidden: [], ...good };
  const refusal = (contents: Parameters<typeof composeImage>[0], intended: Parameters<typeof readBack>[1]): string => {
    try {
      readBack(composeImage(contents), intended);
      return 'accepted';
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };

  t.test('takes what was intended', async (t) => {
    t.strictSame(readBack(Buffer.from(image), accepted), manifestIn(out).devices[0]?.partitions);
  });

  t.test('tells another value in the factory data', async (t) => {
    for (const field of ['idScope', 'endpoint', 'registrationId', 'serial'] as const) {
      const reason = refusal({ factory: { ...factory, [field]: 'other' }, secureCert }, accepted);
      t.match(reason, new RegExp(`fctry: the value of ${field} differs; seen "other"`));
    }
  });

  t.test('tells another symmetric key without telling the key', async (t) => {
    const symmetricKey = Buffer.alloc(32, 7);
    const intended = { factory: keyed.factory, image: composeImage({ factory: keyed.factory }), forbidden: [] };
    const reason = refusal({ factory: { ...keyed.factory, symmetricKey } }, intended);
    t.match(reason, /fctry: the symmetric key differs/);
    t.notMatch(reason, symmetricKey.toString('base64'));
    const { symmetricKey: _, ...keyless } = keyed.factory;
    t.match(refusal({ factory: keyless }, intended), /the symmetric key differs/);
  });

  t.test('tells another certificate, key or CA', async (t) => {
    const { deviceCertificate, privateKey } = other.secureCert ?? secureCert;
    t.match(refusal({ factory, secureCert: { ...secureCert, deviceCertificate } }, accepted), /the device certificate differs/);
    t.match(refusal({ factory, secureCert: { ...secureCert, privateKey } }, accepted), /the private key differs/);
    t.match(refusal({ factory, secureCert: { ...secureCert, caCertificate: deviceCertificate } }, accepted), /the CA certificate differs/);
    t.match(refusal({ factory }, accepted), /the certificate is missing/);
  });

  t.test('does not take an identity that cannot work, even where it was intended', async (t) => {
    const wrong = (what: Partial<typeof secureCert>, named: Partial<typeof factory> = {}): string => {
      const contents = { factory: { ...factory, ...named }, secureCert: { ...secureCert, ...what } };
      return refusal(contents, { ...contents, image: composeImage(contents), forbidden: [] });
    };
    const leafAlone = secureCert.deviceCertificate.slice(0, secureCert.deviceCertificate.indexOf('-----BEGIN', 1));
    const line = secureCert.deviceCertificate.slice(leafAlone.length);
    t.equal(wrong({}), 'accepted');
    t.match(wrong({ privateKey: other.secureCert?.privateKey ?? '' }), /the private key does not match the certificate/);
    t.match(wrong({}, { registrationId: 'x-000009' }), /common name is not the registration id; seen "x-000001"; expected "x-000009"/);
    t.match(wrong({ deviceCertificate: leafAlone }), /certificate 1 of the chain is not signed by the next/);
    t.match(wrong({ deviceCertificate: leafAlone + leafAlone + line }), /certificate 1 of the chain is not signed by the next/);
    t.match(wrong({ caCertificate: line }), /certificate 2 of the chain is not signed by the next/);
  });

  t.test('does not take an image with a forbidden key in it', async (t) => {
    const symmetricKey = Buffer.alloc(64, 0xa5);
    const contents = { factory: { ...keyed.factory, symmetricKey } };
    const intended = { ...contents, image: composeImage(contents), forbidden: [Buffer.alloc(64, 1), symmetricKey] };
    t.match(refusal(contents, intended), /it holds the key of the enrolment group/);
    const hidden = { factory: { ...keyed.factory, serial: symmetricKey.toString('base64') } };
    t.match(refusal(hidden, { ...hidden, image: composeImage(hidden), forbidden: [symmetricKey] }), /holds the key of the enrolment group/);
  });

  t.test('sees any bit that turned over, anywhere', async (t) => {
    const property = fc.property(fc.nat(image.length - 1), fc.nat(7), (offset, bit) => {
      const damaged = Buffer.from(image);
      damaged[offset] = (damaged[offset] ?? 0) ^ (1 << bit);
      try {
        readBack(damaged, accepted);
        return false;
      } catch {
        return true;
      }
    });
    t.doesNotThrow(() => fc.assert(property));
  });
});
