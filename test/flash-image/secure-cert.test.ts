import { crcOf } from '@zerotouch/flash-image/crc';
import { decodeSecureCert, encodeSecureCert } from '@zerotouch/flash-image/secure-cert';
import { decodeTlvs, encodeTlv, integrityTlv, tlvType } from '@zerotouch/flash-image/tlv';
import fc from 'fast-check';
import t from 'tap';
import { golden } from './support/golden.js';

const place = { partition: 'esp_secure_cert', offset: 0xd000 };
const leaf = golden('device.pem').toString();
const line = golden('line.pem').toString();
const privateKey = golden('device.key').toString();
const sealed = (...tlvs: Buffer[]): Buffer => Buffer.concat([...tlvs, integrityTlv(Buffer.concat(tlvs))]);

t.test('a leaf with its intermediates, without a CA', async (t) => {
  const contents = { deviceCertificate: leaf + line, privateKey };
  t.same(decodeSecureCert(encodeSecureCert(contents), place), contents);
});

t.test('erased and zeroed partitions hold nothing', async (t) => {
  t.equal(decodeSecureCert(Buffer.alloc(0x2000, 0xff), place), undefined);
  t.equal(decodeSecureCert(Buffer.alloc(0x2000), place), undefined);
});

t.test('values of every length are aligned and read back', async () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 5 }), (values) => {
      const bytes = Buffer.concat([...values.map((value) => encodeTlv(51, value)), Buffer.alloc(100, 0xff)]);
      const read = decodeTlvs(bytes, place);
      return (
        read.length === values.length &&
        read.every(({ value, offset }, index) => offset % 16 === 0 && value.equals(values[index] ?? Buffer.alloc(1)))
      );
    }),
  );
});

t.test('what is missing or cannot be used is named', async (t) => {
  const pem = (text: string): Buffer => Buffer.from(`${text}\0`);
  const certificate = encodeTlv(tlvType.deviceCertificate, pem(leaf));
  const key = encodeTlv(tlvType.privateKey, pem(privateKey));
  t.throws(() => decodeSecureCert(sealed(key), place), { code: 'CERT_MISSING', message: /device certificate/ });
  t.strictSame(Object.keys(decodeSecureCert(sealed(certificate), place) ?? {}), ['deviceCertificate'], 'the key may be kept elsewhere');
  t.throws(() => decodeSecureCert(sealed(certificate, encodeTlv(tlvType.privateKey, Buffer.from('DER'))), place), { code: 'CERT_VALUE' });
  const encrypted = Buffer.from(key);
  encrypted.writeUInt8(0x80, 4);
  encrypted.writeUInt32LE(crcOf(encrypted.subarray(0, -4)), encrypted.length - 4);
  t.throws(() => decodeSecureCert(sealed(certificate, encrypted), place), { code: 'CERT_ENCRYPTED', expected: /eFuse/ });
  encrypted.writeUInt8(0x40, 4);
  encrypted.writeUInt32LE(crcOf(encrypted.subarray(0, -4)), encrypted.length - 4);
  t.throws(() => decodeSecureCert(sealed(certificate, encrypted), place), { code: 'CERT_UNSUPPORTED', seen: 'flags 64' });
});

t.test('TLVs that were exchanged do not match the integrity hash', async (t) => {
  const [a, b] = [encodeTlv(51, Buffer.from('a')), encodeTlv(51, Buffer.from('b'))];
  t.throws(() => decodeTlvs(Buffer.concat([b, a, integrityTlv(Buffer.concat([a, b]))]), place), {
    code: 'CERT_INTEGRITY',
    where: 'partition esp_secure_cert, offset 0xd040',
  });
});

t.test('a TLV that claims more than there is', async (t) => {
  const tlv = encodeTlv(51, Buffer.alloc(100));
  t.throws(() => decodeTlvs(tlv.subarray(0, 64), place), { code: 'CERT_TLV', expected: /^at most/ });
});

t.test('only PEM is written', async (t) => {
  t.throws(() => encodeSecureCert({ deviceCertificate: 'certificate', privateKey }), { code: 'CERT_VALUE' });
  t.throws(() => encodeSecureCert({ deviceCertificate: leaf, privateKey: `${privateKey}\0` }), { code: 'CERT_VALUE' });
  t.throws(() => encodeTlv(51, Buffer.alloc(0x10000)), { code: 'CERT_VALUE' });
});
