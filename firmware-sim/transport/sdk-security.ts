import type { Clock } from '@zerotouch/foundation/clock';
import type provisioning from 'azure-iot-provisioning-device';
import type { IdentityTpm } from '../identity/attestation.js';
import type { Identity } from '../identity/identity.js';
import { sdkPackage } from './sdk-package.js';
import { clockedKeyClient } from './sdk-security-key.js';

/** What the SDK's provisioning client asks for the device's credentials. */
export type SecurityClient = Parameters<typeof provisioning.ProvisioningDeviceClient.create>[3];

/** The SDK's own security clients over what this device has, each loaded when it is needed. */
export async function securityClient({ attestation, registrationId }: Identity, clock: Clock): Promise<SecurityClient> {
  // The SDK's packages declare their signatures by copies of one class that the compiler must hold apart.
  if (attestation.kind === 'tpm') return new TpmSecurity(registrationId, attestation.tpm) as unknown as SecurityClient;
  if (attestation.kind === 'x509') {
    const { X509Security } = sdkPackage('azure-iot-security-x509');
    return new X509Security(registrationId, { cert: attestation.certificate, key: attestation.privateKey });
  }
  return clockedKeyClient(registrationId, Buffer.from(attestation.key).toString('base64'), clock) as unknown as SecurityClient;
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
