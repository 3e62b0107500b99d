import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { computePoint, makeDeviceKey } from '@zerotouch/manufacturing/device-key';
import t from 'tap';

for (const kind of ['p256', 'p384', 'rsa2048'] as const) {
  t.test(`a ${kind} key is one to OpenSSL, and its halves belong together`, async (t) => {
    for (let count = 0; count < (kind === 'p256' ? 40 : 1); count++) {
      const { publicKey, privateKeyPem } = await makeDeviceKey(kind);
      const privateKey = createPrivateKey(privateKeyPem);
      const published = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
      const signature = sign('sha256', Buffer.from('hello'), privateKey);
      if (!verify('sha256', Buffer.from('hello'), published, signature)) t.fail('the halves do not belong together');
      if (privateKeyPem !== privateKey.export({ type: 'pkcs8', format: 'pem' })) t.fail('OpenSSL writes it otherwise');
      if (kind === 'rsa2048') t.equal(computePoint(privateKeyPem), undefined);
      else if (!computePoint(privateKeyPem)?.equals(publicKey.subarray(kind === 'p256' ? -65 : -97))) t.fail('the point differs');
    }
    t.pass();
  });
}

t.test('no two keys are the same', async (t) => {
  const keys = await Promise.all(Array.from({ length: 50 }, () => makeDeviceKey()));
  t.equal(new Set(keys.map(({ privateKeyPem }) => privateKeyPem)).size, 50);
});

t.test('the point comes from the secret number, not from what is written beside it', async (t) => {
  const [own, other] = [generateKeyPairSync('ec', { namedCurve: 'P-256' }), generateKeyPairSync('ec', { namedCurve: 'P-256' })];
  const der = own.privateKey.export({ type: 'pkcs8', format: 'der' });
  const point = (key: typeof own) => key.publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
  point(other).copy(der, der.indexOf(point(own)));
  const pem = `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`;
  t.ok(computePoint(pem)?.equals(point(own)));
  t.equal(computePoint('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'), undefined);
  t.equal(computePoint('no key'), undefined);
});
