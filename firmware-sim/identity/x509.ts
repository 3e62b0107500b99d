import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { commonName } from '@zerotouch/azure-wire/common-name';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { SecureCert } from '@zerotouch/flash-image/secure-cert';
import type { Attestation } from './attestation.js';
import { IdentityFault } from './faults.js';

const PARTITION = 'partition esp_secure_cert';

/**
 * The certificate a device presents, checked as far as the device can: the key is the leaf's, and the leaf is made out to the
 * registration id (DPS compares without regard to case). Dates are not looked at: the device has no clock yet, and the service
 * has the last word anyway.
 * @throws IdentityFault IDENTITY_CERTIFICATE, IDENTITY_KEY, IDENTITY_NAME
 */
export function x509Attestation({ deviceCertificate, privateKey }: SecureCert, registrationId: string): Attestation {
  const leaf = parseLeaf(deviceCertificate);
  if (privateKey === undefined) {
    throw new IdentityFault('IDENTITY_KEY', 'the image holds no private key: it is kept elsewhere, in a secure element or an HSM', {
      where: PARTITION,
      expected: 'a device whose key is in its image',
      remedy: 'power on the device that holds the key; a simulated one cannot reach it',
    });
  }
  if (!leaf.checkPrivateKey(parseKey(privateKey))) {
    throw new IdentityFault('IDENTITY_KEY', 'the private key does not belong to the device certificate', {
      where: PARTITION,
      expected: 'the key that the leaf was issued for',
      remedy: 'burn the device again',
    });
  }
  const name = commonName(leaf);
  if (name === undefined || canonicalRegistrationId(name) !== canonicalRegistrationId(registrationId)) {
    const said = name === undefined ? 'has no common name' : `is made out to "${name}"`;
    throw new IdentityFault('IDENTITY_NAME', `the device certificate ${said}, and the registration id is "${registrationId}"`, {
      where: `${PARTITION}, device certificate`,
      expected: `CN=${registrationId}`,
      remedy: 'DPS refuses the device: burn it again with a certificate of its own',
    });
  }
  return { kind: 'x509', certificate: deviceCertificate, privateKey };
}

function parseLeaf(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new IdentityFault('IDENTITY_CERTIFICATE', 'the device certificate cannot be read', {
      where: `${PARTITION}, device certificate`,
      expected: 'an X.509 certificate in PEM, the leaf first',
      cause,
    });
  }
}

// Without the cause: what a parser says of a key stays with the key.
function parseKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new IdentityFault('IDENTITY_KEY', 'the private key cannot be read', {
      where: `${PARTITION}, private key`,
      expected: 'an unencrypted private key in PEM',
    });
  }
}
