import type { Clock } from '@zerotouch/foundation/clock';
import type provisioning from 'azure-iot-provisioning-device';
import { SymmetricKeySecurityClient } from 'azure-iot-security-symmetric-key';
import { X509Security } from 'azure-iot-security-x509';
import type { IdentityTpm } from '../identity/attestation.js';
import type { Identity } from '../identity/identity.js';
import { tokenExpiry } from './sign-in.js';

/** What the SDK's provisioning client asks for the device's credentials. */
export type SecurityClient = Parameters<typeof provisioning.ProvisioningDeviceClient.create>[3];

/** The SDK's own security clients over what this device has. */
export function securityClient({ attestation, registrationId }: Identity, clock: Clock): SecurityClient {
  // The SDK's packages declare their signatures by copies of one class that the compiler must hold apart.
  if (attestation.kind === 'x509') return new X509Security(registrationId, { cert: attestation.certificate, key: attestation.privateKey });
  if (attestation.kind === 'tpm') return new TpmSecurity(registrationId, attestation.tpm) as unknown as SecurityClient;
  const key = Buffer.from(attestation.key).toString('base64');
  return new ClockedKeyClient(registrationId, key, clock) as unknown as SecurityClient;
}

/** The SDK signs for an hour of the machine's time; a device's clock may be another. */
class ClockedKeyClient extends SymmetricKeySecurityClient {
  readonly #clock: Clock;

  constructor(registrationId: string, key: string, clock: Clock) {
    super(registrationId, key);
    this.#clock = clock;
  }

  override createSharedAccessSignature(
    ...[idScope, callback]: Parameters<SymmetricKeySecurityClient['createSharedAccessSignature']>
  ): void {
    super.createSharedAccessSignature(idScope, (error, signature) => {
      signature?.extend(tokenExpiry(this.#clock));
      callback?.(error, signature);
    });
  }
}

type Done<T> = (error: Error | null, result?: T) => void;

/** A TPM as azure-iot-security-tpm shows one, which does not install on today's Node. */
class TpmSecurity {
  readonly #registrationId: string;
  readonly #tpm: IdentityTpm;

  constructor(registrationId: string, tpm: IdentityTpm) {
    this.#registrationId = registrationId;
    this.#tpm = tpm;
  }

  getRegistrationId(done: Done<string>): void {
    done(null, this.#registrationId);
  }

  getEndorsementKey(done: Done<Buffer>): void {
    settle(this.#tpm.endorsementKey(), done);
  }

  getStorageRootKey(done: Done<Buffer>): void {
    settle(this.#tpm.storageRootKey(), done);
  }

  activateIdentityKey(blob: Buffer, done: Done<void>): void {
    settle(this.#tpm.activate(blob), done);
  }

  signWithIdentity(data: Buffer, done: Done<Buffer>): void {
    settle(this.#tpm.sign(data), done);
  }
}

function settle<T>(promise: Promise<T>, done: Done<T>): void {
  promise.then(
    (result) => done(null, result),
    (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
  );
}
