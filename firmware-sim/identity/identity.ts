import type { FlashImage } from '@zerotouch/flash-image/image';
import type { Attestation, IdentityTpm } from './attestation.js';
import { IdentityFault } from './faults.js';
import { readServerRoots, type ServerRoots } from './server-roots.js';
import { symmetricKeyAttestation } from './symmetric-key.js';
import { x509Attestation } from './x509.js';

export type { Attestation, IdentityTpm } from './attestation.js';

/** Everything that was burnt into the device and that it presents to DPS. */
export interface Identity {
  readonly idScope: string;
  /** Host name of DPS as burnt. */
  readonly endpoint: string;
  readonly registrationId: string;
  readonly serial: string;
  readonly attestation: Attestation;
  /** Absent: the image pins none, and the runtime's trust holds. */
  readonly serverRoots?: ServerRoots;
}

/**
 * Who the device is, from what is burnt: a certificate in `esp_secure_cert` or a symmetric key in `fctry`, exactly one of them; or neither, and
 * then its TPM says.
 * @throws IdentityFault
 */
export function readIdentity({ factory, secureCert }: Pick<FlashImage, 'factory' | 'secureCert'>, tpm?: IdentityTpm): Identity {
  const { idScope, endpoint, registrationId, serial, serverRoots } = factory;
  const roots = serverRoots === undefined ? {} : { serverRoots: readServerRoots(serverRoots) };
  return { idScope, endpoint, registrationId, serial, attestation: attestationOf({ factory, secureCert }, tpm), ...roots };
}

function attestationOf({ factory, secureCert }: Pick<FlashImage, 'factory' | 'secureCert'>, tpm: IdentityTpm | undefined): Attestation {
  const { registrationId, symmetricKey, secondaryKey } = factory;
  if (secureCert !== undefined && symmetricKey !== undefined) {
    throw new IdentityFault('IDENTITY_AMBIGUOUS', `"${registrationId}" holds both a device certificate and a symmetric key`, {
      where: 'partitions esp_secure_cert and fctry (sym_key)',
      expected: 'one of them',
      remedy: 'burn the device again with the one its enrolment asks for',
    });
  }
  if (secureCert !== undefined) return x509Attestation(secureCert, registrationId);
  if (symmetricKey !== undefined) return symmetricKeyAttestation(symmetricKey, secondaryKey);
  if (tpm !== undefined) return { kind: 'tpm', tpm };
  throw new IdentityFault('IDENTITY_MISSING', `"${registrationId}" holds neither a device certificate nor a symmetric key`, {
    where: 'partitions esp_secure_cert and fctry',
    expected: 'certificate and private key in esp_secure_cert, or sym_key in fctry',
    remedy: 'burn the device again; one that was burnt for a TPM is to be told where that is (--tpm /dev/tpmrm0)',
  });
}
