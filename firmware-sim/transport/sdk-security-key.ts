import type { Clock } from '@zerotouch/foundation/clock';
import { SymmetricKeySecurityClient } from 'azure-iot-security-symmetric-key';
import { tokenExpiry } from './sign-in.js';

/** The SDK signs for an hour of the machine's time; a device's clock may be another. */
export class ClockedKeyClient extends SymmetricKeySecurityClient {
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
