import { hubResource, resourceCovers, type SasToken, verifySas } from '@zerotouch/azure-wire/sas';
import { thumbprint, validityAt } from '../certificates.js';
import type { Credential, PresentedCertificate } from '../credentials.js';
import { difference, nearestWords } from '../nearest.js';
import type { Reason } from '../reasons.js';
import type { DeviceRecord, HubRecord } from '../store/store.js';

/** Let in, and until when (milliseconds since 1970; a certificate connection has no end); or kept out, and why. */
export type SignIn = { authentication: 'sas' | 'selfSigned'; expiresAt: number | undefined } | { reason: Reason };

/** Who wants in, and what the hub knows of them. */
export interface SignInRequest {
  hub: HubRecord;
  deviceId: string;
  device: DeviceRecord | undefined;
  credential: Credential;
  /** Milliseconds since 1970. */
  now: number;
}

/** Judges a device's sign-in. Pure. Source: hub/iot-hub-dev-guide-sas; hub/troubleshoot-error-codes, 401003. */
export function judgeSignIn({ hub, deviceId, device, credential, now }: SignInRequest): SignIn {
  if (device === undefined) {
    return {
      reason: {
        rule: 'hub-stranger',
        text: `hub ${hub.host} has no device ${JSON.stringify(deviceId)}`,
        seen: deviceId,
        expected: 'a device that DPS has registered at this hub',
        nearest: 'the same device after a registration with DPS',
        remedy: 'register with DPS; device ids are case-sensitive',
      },
    };
  }
  return credential.kind === 'sas' ? byToken(hub, device, credential.token, now) : byCertificate(device, credential.certificate, now);
}

function byToken(hub: HubRecord, device: DeviceRecord, token: SasToken, now: number): SignIn {
  const wanted = `${hub.host}/devices/${device.deviceId}`;
  if (!resourceCovers(token.resource, wanted) && !resourceCovers(token.resource, hubResource(hub.host, device.deviceId))) {
    return {
      reason: {
        rule: 'sas-resource',
        text: 'the token is for another resource',
        seen: token.resource,
        expected: wanted,
        nearest: `${JSON.stringify(wanted)}; ${difference(token.resource, wanted)}`,
        remedy: 'sign {hub}/devices/{deviceId} with the host name of the hub that DPS assigned',
      },
    };
  }
  if (token.expiry * 1000 <= now) {
    return {
      reason: {
        rule: 'sas-expired',
        text: 'the token is expired by the clock of the service',
        seen: new Date(token.expiry * 1000).toISOString(),
        expected: `later than ${new Date(now).toISOString()}`,
        nearest: `the same token before ${new Date(token.expiry * 1000).toISOString()}`,
        remedy: 'sign a new token',
      },
    };
  }
  const { keyName = '' } = token;
  // The SDKs' own signers write an empty skn when they are given none.
  const reason = keyName === '' ? deviceKeyFlaw(device, token) : policyFlaw(hub, token, keyName);
  return reason === undefined ? { authentication: 'sas', expiresAt: token.expiry * 1000 } : { reason };
}

function deviceKeyFlaw({ deviceId, authentication }: DeviceRecord, token: SasToken): Reason | undefined {
  if (authentication.type !== 'sas') {
    return {
      rule: 'attestation-kind',
      text: `device ${JSON.stringify(deviceId)} signs in with a certificate, it sent a SAS token`,
      seen: 'a SAS token',
      expected: 'the client certificate that it registered with',
      nearest: 'the same device with its client certificate, without a token',
      remedy: 'present the certificate in the TLS handshake',
    };
  }
  const keys = [authentication.primaryKey, authentication.secondaryKey];
  if (keys.some((key) => verifySas(token, Buffer.from(key, 'base64')))) return undefined;
  return {
    rule: 'sas-signature',
    text: `the token is not signed with a key of device ${JSON.stringify(deviceId)}`,
    seen: 'a signature by another key',
    expected: 'HMAC-SHA256 with the primary or secondary key of the device',
    nearest: 'the same token signed with the primary key of the device',
    remedy: 'sign with the key that the device registered with (of a group: the derived key)',
  };
}

function policyFlaw(hub: HubRecord, token: SasToken, keyName: string): Reason | undefined {
  const policy = hub.policies.find(({ name }) => name === keyName);
  if (policy === undefined || !policy.rights.includes('DeviceConnect')) {
    return {
      rule: 'hub-policy',
      text:
        policy === undefined
          ? 'the token names a policy that the hub does not have'
          : 'the policy of the token has no right to connect devices',
      seen: keyName,
      expected: 'a policy with DeviceConnect, or no skn and a key of the device',
      nearest: nearestPolicy(hub, keyName),
      remedy: 'sign with a key of the device, without skn',
    };
  }
  if ([policy.primaryKey, policy.secondaryKey].some((key) => verifySas(token, Buffer.from(key, 'base64')))) return undefined;
  return {
    rule: 'sas-signature',
    text: `the token is not signed with a key of policy ${JSON.stringify(keyName)}`,
    seen: 'a signature by another key',
    expected: `HMAC-SHA256 with the primary or secondary key of policy ${JSON.stringify(keyName)}`,
    nearest: 'the same token signed with the present key of the policy',
    remedy: 'take the key of the policy anew: it may have been rotated',
  };
}

function nearestPolicy({ policies }: HubRecord, keyName: string): string {
  const able = policies.filter(({ rights }) => rights.includes('DeviceConnect')).map(({ name }) => name);
  return nearestWords(keyName, able) ?? 'no skn, and a key of the device';
}

function byCertificate({ deviceId, authentication }: DeviceRecord, { leaf }: PresentedCertificate, now: number): SignIn {
  if (authentication.type !== 'selfSigned') {
    return {
      reason: {
        rule: 'attestation-kind',
        text: `device ${JSON.stringify(deviceId)} signs in with a symmetric key, it sent a certificate and no token`,
        seen: 'a client certificate',
        expected: 'a SAS token',
        nearest: 'the same device with a SAS token',
        remedy: 'sign a token with the key that the device registered with',
      },
    };
  }
  const print = thumbprint(leaf);
  if (print !== authentication.primaryThumbprint && print !== authentication.secondaryThumbprint) {
    return {
      reason: {
        rule: 'x509-other-certificate',
        text: `the leaf is not the certificate of device ${JSON.stringify(deviceId)}`,
        seen: `thumbprint ${print}`,
        expected: `thumbprint ${authentication.primaryThumbprint}`,
        nearest: `the registered certificate; ${difference(print, authentication.primaryThumbprint)}`,
        remedy: 'register with DPS again after the certificate was renewed',
      },
    };
  }
  const validity = validityAt(leaf, now);
  if (validity === 'valid') return { authentication: 'selfSigned', expiresAt: undefined };
  return {
    reason: {
      rule: validity === 'expired' ? 'x509-expired' : 'x509-not-yet-valid',
      text: validity === 'expired' ? 'the leaf is expired' : 'the leaf is not yet valid',
      seen: validity === 'expired' ? leaf.validTo : leaf.validFrom,
      expected: `valid by the clock of the service, ${new Date(now).toISOString()}`,
      nearest: validity === 'expired' ? `the same leaf before ${leaf.validTo}` : `the same leaf after ${leaf.validFrom}`,
      remedy: validity === 'expired' ? 'issue a new certificate, and register with DPS again' : "check the factory's clock",
    },
  };
}
