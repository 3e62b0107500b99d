import { hash } from 'node:crypto';
import { deriveDeviceKey, KEY_BYTES } from '@zerotouch/azure-wire/keys';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { drawSerialNumber, type Issuer, type KeyKind, type Validity } from './certificates.js';
import { makeDeviceKey } from './device-key.js';
import type { EndorsementKeys } from './endorsement.js';
import { InputFault } from './input-faults.js';
import type { PlannedDevice } from './plan.js';
import type { CertificateRequests } from './requests.js';
import { stampLeaf } from './stamp.js';

/** The two keys of an enrolment, 64 bytes each. Secret. */
export interface EnrolmentKeys {
  primary: Buffer;
  secondary: Buffer;
}

/** A certificate and its key. */
export interface X509Credentials {
  kind: 'x509';
  /** The leaf as the ledger knows it; see `IdentityRecord`. */
  leaf: { certificateSerial: string; thumbprint: string; notAfter: string /** Base64. */; publicKey: string };
  /** The leaf alone, PEM. */
  leafPem: string;
  /** Leaf, then the CAs above it up to the highest but one: what a device sends. PEM. */
  chainPem: string;
  /** PKCS #8, PEM; `undefined` where the key was made, and stays, elsewhere. Secret. */
  privateKeyPem: string | undefined;
}

/** A key derived from that of a group. */
export interface DerivedKey {
  kind: 'derived-key';
  /** 32 bytes. Secret. */
  key: Buffer;
  /** The one derived from the group's other key, where the devices of the group carry both. Secret. */
  second?: Buffer;
}

/** The keys of a device's own enrolment; it signs with the primary. */
export interface OwnKeys {
  kind: 'own-keys';
  keys: EnrolmentKeys;
}

/** A TPM: all that the factory knows of it is public. */
export interface TpmCredentials {
  kind: 'tpm';
  /** Public area of the endorsement key, base64. */
  endorsementKey: string;
}

/** What a device proves itself with. */
export type Credentials = X509Credentials | DerivedKey | OwnKeys | TpmCredentials;

/** What certifies the devices of a group. */
export interface CertificateSource {
  kind: 'line';
  /** Who signs. */
  line: Issuer;
  /** What a device sends after its leaf; the signer alone unless given. PEM. */
  chainPem?: string;
  /** The highest CA, which the image carries too. PEM. */
  rootPem: string;
  validity: Validity;
  /** P-256 unless given. */
  key?: KeyKind;
  /** Where the keys are made elsewhere. */
  requests?: CertificateRequests;
  /** The CA that the enrolment group is for; the signer unless given. */
  enrolled?: Issuer;
}

/** What the devices of a group get their credentials from. */
export type CredentialSource =
  | CertificateSource
  | { kind: 'group-keys'; keys: EnrolmentKeys }
  | { kind: 'own-keys' }
  | { kind: 'endorsement-keys'; keys: EndorsementKeys };

/** Keys of a new enrolment, as long as DPS makes them. */
export function drawKeys(entropy: Entropy): EnrolmentKeys {
  return { primary: entropy.bytes(KEY_BYTES.generated), secondary: entropy.bytes(KEY_BYTES.generated) };
}

/**
 * Gives a device its identity. All entropy is drawn before the first wait, so that devices made side by side get the same whatever their pace
 * (private keys excepted: they come from OpenSSL).
 */
export async function makeCredentials(
  { registrationId, group }: PlannedDevice,
  source: CredentialSource,
  entropy: Entropy,
): Promise<Credentials> {
  switch (source.kind) {
    case 'group-keys':
      return {
        kind: 'derived-key',
        key: deriveDeviceKey(source.keys.primary, registrationId),
        ...(group.secondKey === true ? { second: deriveDeviceKey(source.keys.secondary, registrationId) } : {}),
      };
    case 'own-keys':
      return { kind: 'own-keys', keys: drawKeys(entropy) };
    case 'endorsement-keys': {
      const endorsementKey = source.keys.get(registrationId);
      if (endorsementKey !== undefined) return { kind: 'tpm', endorsementKey };
      throw new InputFault('ENDORSEMENT_INVALID', 'the device has no endorsement key', {
        where: registrationId,
        expected: 'one for each device',
      });
    }
    case 'line': {
      const serialNumber = drawSerialNumber(entropy);
      const { line, validity, key, chainPem = line.pem, requests } = source;
      const { publicKey, privateKeyPem } =
        requests === undefined
          ? await makeDeviceKey(key)
          : { publicKey: await requests.publicKeyOf(registrationId), privateKeyPem: undefined };
      const { der, pem } = await stampLeaf({ registrationId, publicKey, issuer: line, validity, serialNumber });
      return {
        kind: 'x509',
        leaf: {
          certificateSerial: serialNumber.toString('hex').toUpperCase(),
          thumbprint: hash('sha256', der).toUpperCase(),
          notAfter: validity.notAfter.toISOString(),
          publicKey: publicKey.toString('base64'),
        },
        leafPem: pem,
        chainPem: pem + chainPem,
        privateKeyPem,
      };
    }
  }
}
