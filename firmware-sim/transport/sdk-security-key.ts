import type { Clock } from '@zerotouch/foundation/clock';
import type { SymmetricKeySecurityClient } from 'azure-iot-security-symmetric-key';
import { sdkPackage } from './sdk-package.js';
import { tokenExpiry } from './sign-in.js';

/** The SDK's client for a key, with tokens by the device's clock: left alone it signs for an hour of the machine's time. @param key Base64 */
export function clockedKeyClient(registrationId: string, key: string, clock: Clock): SymmetricKeySecurityClient {
  const client = new (sdkPackage('azure-iot-security-symmetric-key').SymmetricKeySecurityClient)(registrationId, key);
  const sign = client.createSharedAccessSignature.bind(client);
  client.createSharedAccessSignature = ((...[idScope, callback]: Parameters<typeof sign>) =>
    sign(idScope, (error, signature) => {
      signature?.extend(tokenExpiry(clock));
      callback?.(error, signature);
    })) as typeof sign;
  return client;
}
