import { readIdentity } from '@zerotouch/firmware-sim/identity/identity';
import type { FlashImage } from '@zerotouch/flash-image/image';
import t from 'tap';
import { makeAuthority } from '../transport/certificates.js';

type Burnt = Pick<FlashImage, 'factory' | 'secureCert'>;

const factory = { idScope: '0ne00000A1B', endpoint: 'global.azure-devices-provisioning.net', registrationId: 'dev-1', serial: 'S-1' };
const year = 365 * 24 * 3600 * 1000;

const caught = (burnt: Burnt): Error => {
  try {
    readIdentity(burnt);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('the identity was taken');
};

t.test('a device with a symmetric key', async (t) => {
  const symmetricKey = Buffer.alloc(32, 7);
  t.same(readIdentity({ factory: { ...factory, symmetricKey }, secureCert: undefined }), {
    ...factory,
    attestation: { kind: 'symmetric-key', key: symmetricKey },
  });
  for (const bytes of [15, 65]) {
    t.match(caught({ factory: { ...factory, symmetricKey: Buffer.alloc(bytes) }, secureCert: undefined }), {
      code: 'IDENTITY_SYMMETRIC_KEY',
      message: new RegExp(`sym_key.*${bytes} bytes`),
    });
  }
});

t.test('a device with a certificate', async (t) => {
  const authority = await makeAuthority('Line 7');
  const { certificate, privateKey } = await authority.issue('dev-1');
  const chain = `${certificate}\n${authority.certificate}`;
  const attestation = { kind: 'x509', certificate: chain, privateKey };
  t.same(readIdentity({ factory, secureCert: { deviceCertificate: chain, privateKey } }), { ...factory, attestation });

  const expired = await authority.issue('DEV-1', { dates: [-2 * year, -year] });
  const secureCert = { deviceCertificate: expired.certificate, privateKey: expired.privateKey };
  t.match(readIdentity({ factory, secureCert }), { attestation: { kind: 'x509' } }, 'dates are not judged, nor is the case of the name');
});

t.test('a certificate that is not this device', async (t) => {
  const authority = await makeAuthority('Line 7');
  const mine = await authority.issue('dev-1');
  const other = await authority.issue('dev-2');
  const burn = (deviceCertificate: string, privateKey: string): Error => caught({ factory, secureCert: { deviceCertificate, privateKey } });

  t.match(burn(other.certificate, other.privateKey), { code: 'IDENTITY_NAME', message: /"dev-2".*"dev-1"/ }, 'quotes both names');
  t.match(burn(mine.certificate, other.privateKey), { code: 'IDENTITY_KEY', message: /does not belong/ });
  t.match(burn('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', mine.privateKey), { code: 'IDENTITY_CERTIFICATE' });
  const broken = burn(mine.certificate, mine.privateKey.replace('PRIVATE KEY', 'SECRET KEY'));
  t.match(broken, { code: 'IDENTITY_KEY', message: /cannot be read/ });
  t.notOk(broken.message.includes(mine.privateKey.slice(40, 60)), 'the key is not in the error');
});

t.test('neither or both', async (t) => {
  const { certificate, privateKey } = await (await makeAuthority('Line 7')).issue('dev-1');
  t.match(caught({ factory, secureCert: undefined }), { code: 'IDENTITY_MISSING', message: /neither.*sym_key/ });
  const both = { factory: { ...factory, symmetricKey: Buffer.alloc(32) }, secureCert: { deviceCertificate: certificate, privateKey } };
  t.match(caught(both), { code: 'IDENTITY_AMBIGUOUS', message: /both/ });
});
