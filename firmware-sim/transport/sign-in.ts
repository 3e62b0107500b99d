import {
  assembleSas,
  buildSas,
  DPS_DEVICE_KEY_NAME,
  dpsResource,
  hubResource,
  textToSign,
  type UnsignedSas,
} from '@zerotouch/azure-wire/sas';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Assignment } from '../boot/kept.js';
import type { Attestation } from '../identity/attestation.js';
import type { Identity } from '../identity/identity.js';

/** How long a token is good, seconds. A hub closes an MQTT connection when it expires. */
export const TOKEN_SECONDS = 3_600;

/** When a token made now expires, seconds since 1970. */
export function tokenExpiry(clock: Clock): number {
  return Math.floor(clock.now() / 1000) + TOKEN_SECONDS;
}

/** The token that signs in to DPS; `undefined` for a device with a certificate. */
export function dpsToken({ idScope, registrationId, attestation }: Identity, clock: Clock): Promise<string | undefined> {
  return token(attestation, { resource: dpsResource(idScope, registrationId), expiry: tokenExpiry(clock), keyName: DPS_DEVICE_KEY_NAME });
}

/** The token that signs in to a hub; `undefined` for a device with a certificate. */
export function hubToken(attestation: Attestation, { hub, deviceId }: Assignment, clock: Clock): Promise<string | undefined> {
  return token(attestation, { resource: hubResource(hub, deviceId), expiry: tokenExpiry(clock) });
}

/** What of an attestation TLS presents. */
export function clientCertificate(attestation: Attestation): { cert: string; key: string } | undefined {
  return attestation.kind === 'x509' ? { cert: attestation.certificate, key: attestation.privateKey } : undefined;
}

async function token(attestation: Attestation, unsigned: UnsignedSas): Promise<string | undefined> {
  if (attestation.kind === 'x509') return undefined;
  if (attestation.kind === 'symmetric-key') return buildSas({ ...unsigned, key: attestation.key });
  return assembleSas(unsigned, await attestation.tpm.sign(Buffer.from(textToSign(unsigned))));
}
