import { openWithEfuse, sealForEfuse } from './efuse.js';
import { ImageFault, locate, type Place } from './faults.js';
import { decodeTlvs, encodeTlv, integrityTlv, type Tlv, tlvFlag, tlvName, tlvType } from './tlv.js';

/** The certificates and the key of a device, each as PEM text. */
export interface SecureCert {
  /** The CA certificate, where one is carried. */
  readonly caCertificate?: string;
  /** The leaf, then its intermediates. */
  readonly deviceCertificate: string;
  /** Absent where the key is kept elsewhere: in a secure element, an HSM. Secret. */
  readonly privateKey?: string | undefined;
}

/** The eFuse of the chip, where values are encrypted for it. Secret. */
export interface ForChip {
  readonly efuse?: Uint8Array | undefined;
}

/**
 * The bytes of an esp_secure_cert partition: CA certificate, device certificate, private key (where there is one), and last the SHA-256 over
 * them. What follows in the partition stays FF. With an eFuse the private key is encrypted for that chip.
 */
export function encodeSecureCert({ caCertificate, deviceCertificate, privateKey }: SecureCert, { efuse }: ForChip = {}): Buffer {
  const tlvs = [encodeTlv(tlvType.deviceCertificate, pemValue(deviceCertificate))];
  if (privateKey !== undefined) {
    const key = pemValue(privateKey);
    tlvs.push(
      efuse === undefined ? encodeTlv(tlvType.privateKey, key) : encodeTlv(tlvType.privateKey, sealForEfuse(efuse, key), tlvFlag.encrypted),
    );
  }
  if (caCertificate !== undefined) tlvs.unshift(encodeTlv(tlvType.caCertificate, pemValue(caCertificate)));
  const body = Buffer.concat(tlvs);
  return Buffer.concat([body, integrityTlv(body)]);
}

/**
 * The certificates and the key of a partition, `undefined` when it is erased. Throws an {@link ImageFault} `CERT_...` where a TLV is
 * damaged, missing, encrypted for another chip or not PEM.
 */
export function decodeSecureCert(
  bytes: Uint8Array,
  place: Place = { partition: 'esp_secure_cert', offset: 0 },
  { efuse }: ForChip = {},
): SecureCert | undefined {
  const tlvs = decodeTlvs(bytes, place);
  if (tlvs.length === 0) return undefined;
  const caCertificate = textOf(tlvs, tlvType.caCertificate, place, efuse);
  const deviceCertificate = textOf(tlvs, tlvType.deviceCertificate, place, efuse) ?? missing(tlvType.deviceCertificate, place);
  const privateKey = textOf(tlvs, tlvType.privateKey, place, efuse);
  return {
    ...(caCertificate === undefined ? {} : { caCertificate }),
    deviceCertificate,
    ...(privateKey === undefined ? {} : { privateKey }),
  };
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

function textOf(tlvs: readonly Tlv[], type: number, place: Place, efuse: Uint8Array | undefined): string | undefined {
  const tlv = tlvs.find((candidate) => candidate.type === type && candidate.subtype === 0);
  if (tlv === undefined) return undefined;
  const where = locate(place, tlv.offset);
  const value = plainValue(tlv, place, efuse);
  const text = value.toString('utf8', 0, value.at(-1) === 0 ? value.length - 1 : value.length);
  if (text.startsWith('-----BEGIN ')) return text;
  throw new ImageFault('CERT_VALUE', `the ${tlvName(type)} is not PEM`, { where, expected: 'text that starts with "-----BEGIN "' });
}

/** The value as it was before it was encrypted. Throws an {@link ImageFault} `CERT_ENCRYPTED` or `CERT_UNSUPPORTED`. */
export function plainValue(tlv: Tlv, place: Place, efuse: Uint8Array | undefined): Buffer {
  if (tlv.flags === 0) return tlv.value;
  const where = locate(place, tlv.offset);
  if (tlv.flags !== tlvFlag.encrypted) {
    throw new ImageFault('CERT_UNSUPPORTED', `the ${tlvName(tlv.type)} is derived or held in hardware`, {
      where,
      seen: `flags ${tlv.flags}`,
      expected: `a plain value (flags 0) or an encrypted one (flags ${tlvFlag.encrypted})`,
    });
  }
  const value = efuse === undefined ? undefined : openWithEfuse(efuse, tlv.value);
  if (value !== undefined) return value;
  const what = efuse === undefined ? 'is encrypted for its chip' : 'does not decrypt: the eFuse is that of another chip';
  throw new ImageFault('CERT_ENCRYPTED', `the ${tlvName(tlv.type)} ${what}`, {
    where,
    expected: "the chip's eFuse",
    remedy: 'put the .efuse file that was burnt with the image beside it',
  });
}

function missing(type: number, place: Place): never {
  throw new ImageFault('CERT_MISSING', `there is no ${tlvName(type)}`, { where: locate(place), expected: `a TLV of type ${type}` });
}
