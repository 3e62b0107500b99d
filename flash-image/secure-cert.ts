import { ImageFault, locate, type Place } from './faults.js';
import { decodeTlvs, encodeTlv, integrityTlv, type Tlv, tlvName, tlvType } from './tlv.js';

/** The certificates and the key of a device, each as PEM text. */
export interface SecureCert {
  /** The CA certificate, where one is carried. */
  readonly caCertificate?: string;
  /** The leaf, then its intermediates. */
  readonly deviceCertificate: string;
  /** Secret. */
  readonly privateKey: string;
}

/**
 * The bytes of an esp_secure_cert partition: CA certificate, device certificate, private key, and last the SHA-256 over them.
 * What follows in the partition stays FF.
 */
export function encodeSecureCert({ caCertificate, deviceCertificate, privateKey }: SecureCert): Buffer {
  const tlvs = [encodeTlv(tlvType.deviceCertificate, pemValue(deviceCertificate)), encodeTlv(tlvType.privateKey, pemValue(privateKey))];
  if (caCertificate !== undefined) tlvs.unshift(encodeTlv(tlvType.caCertificate, pemValue(caCertificate)));
  const body = Buffer.concat(tlvs);
  return Buffer.concat([body, integrityTlv(body)]);
}

/**
 * The certificates and the key of a partition, `undefined` when it is erased. Throws an {@link ImageFault} `CERT_...` where a TLV is
 * damaged, missing, encrypted or not PEM.
 */
export function decodeSecureCert(bytes: Uint8Array, place: Place = { partition: 'esp_secure_cert', offset: 0 }): SecureCert | undefined {
  const tlvs = decodeTlvs(bytes, place);
  if (tlvs.length === 0) return undefined;
  const caCertificate = textOf(tlvs, tlvType.caCertificate, place);
  const deviceCertificate = textOf(tlvs, tlvType.deviceCertificate, place) ?? missing(tlvType.deviceCertificate, place);
  const privateKey = textOf(tlvs, tlvType.privateKey, place) ?? missing(tlvType.privateKey, place);
  return { ...(caCertificate === undefined ? {} : { caCertificate }), deviceCertificate, privateKey };
}

/** PEM values carry a NUL, as mbedTLS wants them. */
function pemValue(pem: string): Buffer {
  if (!pem.startsWith('-----BEGIN ') || pem.includes('\0')) {
    throw new ImageFault('CERT_VALUE', 'a value for esp_secure_cert is not PEM', {
      where: 'partition esp_secure_cert',
      expected: 'text that starts with "-----BEGIN "',
    });
  }
  return Buffer.from(`${pem}\0`);
}

function textOf(tlvs: readonly Tlv[], type: number, place: Place): string | undefined {
  const tlv = tlvs.find((candidate) => candidate.type === type && candidate.subtype === 0);
  if (tlv === undefined) return undefined;
  const where = locate(place, tlv.offset);
  if (tlv.flags !== 0) {
    throw new ImageFault('CERT_UNSUPPORTED', `the ${tlvName(type)} is encrypted or held in hardware`, {
      where,
      seen: `flags ${tlv.flags}`,
      expected: 'a plain value (flags 0)',
    });
  }
  const { value } = tlv;
  const text = value.toString('utf8', 0, value.at(-1) === 0 ? value.length - 1 : value.length);
  if (text.startsWith('-----BEGIN ')) return text;
  throw new ImageFault('CERT_VALUE', `the ${tlvName(type)} is not PEM`, { where, expected: 'text that starts with "-----BEGIN "' });
}

function missing(type: number, place: Place): never {
  throw new ImageFault('CERT_MISSING', `there is no ${tlvName(type)}`, { where: locate(place), expected: `a TLV of type ${type}` });
}
