import { composeImage, type FactoryData, type ImageContents } from '@zerotouch/flash-image/image';
import { firstCertificate, golden } from './golden.js';

/** What golden/fctry.csv says. */
export const factory: FactoryData = {
  idScope: '0ne00000A1B',
  endpoint: 'global.azure-devices-provisioning.net',
  registrationId: 'thermo-000001',
  serial: '000001',
  symmetricKey: Buffer.from('AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=', 'base64'),
};

/** The golden certificates with the golden factory data. */
export const contents: ImageContents = {
  factory,
  secureCert: {
    caCertificate: firstCertificate(golden('chain.pem').toString()),
    deviceCertificate: golden('device.pem').toString(),
    privateKey: golden('device.key').toString(),
  },
};

/** A fresh copy of an image that is right in every byte. */
export function goodImage(): Buffer {
  return composeImage(contents);
}
