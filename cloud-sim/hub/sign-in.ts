import type { X509Certificate } from 'node:crypto';
import { commonName as commonNameOf } from '@zerotouch/azure-wire/common-name';
import { resourceCovers, type SasToken, verifySas } from '@zerotouch/azure-wire/sas';
import { issuerLine, shortThumbprint, subjectLine, thumbprint, validityAt } from '../certificates.js';
import type { Credential, PresentedCertificate } from '../credentials.js';
import { climb } from '../dps/chain.js';
import { difference, nearestWords } from '../nearest.js';
import type { Reason } from '../reasons.js';
import type { DeviceAuthentication, DeviceRecord, HubRecord, ModuleRecord } from '../store/store.js';
import { type Identity, identityName } from './identity.js';

/** How somebody proved to be a device or module. */
export type AuthenticationType = DeviceAuthentication['type'];

/** Let in, and until when (milliseconds since 1970; a certificate connection has no end); or kept out, and why. */
export type SignIn = { authentication: AuthenticationType; generationId: string; expiresAt: number | undefined } | { reason: Reason };

/** Who wants in, and what the hub knows of them. */
export interface SignInRequest {
  hub: HubRecord;
  identity: Identity;
  device: DeviceRecord | undefined;
  /** Of a module that wants in. */
  module: ModuleRecord | undefined;
  credential: Credential;
  /** CA certificates whose possession was proved to the hub. */
  authorities: readonly X509Certificate[];
  /** Milliseconds since 1970. */
  now: number;
}

/** Judges a device's sign-in. Pure. Source: hub/iot-hub-dev-guide-sas; hub/troubleshoot-error-codes, 401003. */
export function judgeSignIn({ hub, identity, device, module, credential, authorities, now }: SignInRequest): SignIn {
  const { deviceId, moduleId } = identity;
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
  if (device.status === 'disabled') return { reason: disabled(device) };
  if (moduleId !== undefined && module === undefined) return { reason: noModule(hub.host, identity) };
  const who: Principal = { identity, ...(module ?? device) };
  return credential.kind === 'sas'
    ? byToken(hub, who, credential.token, now)
    : byCertificate(who, credential.certificate, authorities, now);
}

/** What counts of the record of whoever wants in. */
interface Principal {
  identity: Identity;
  authentication: DeviceAuthentication;
  generationId: string;
}

function disabled({ deviceId, statusReason }: DeviceRecord): Reason {
  return {
    rule: 'device-disabled',
    text: `device ${JSON.stringify(deviceId)} is disabled at the hub${statusReason === undefined ? '' : `: ${statusReason}`}`,
    seen: 'status disabled',
    expected: 'status enabled',
    nearest: 'the same device, enabled',
    remedy: 'enable it in the registry of the hub',
  };
}

function noModule(host: string, { deviceId, moduleId }: Identity): Reason {
  return {
    rule: 'module-unknown',
    text: `device ${JSON.stringify(deviceId)} at hub ${host} has no module ${JSON.stringify(moduleId)}`,
    seen: String(moduleId),
    expected: 'a module that is in the registry',
    nearest: 'the device itself, without a module id',
    remedy: 'make the module in the registry of the hub; module ids are case-sensitive',
  };
}

/** What a device or module signs for its hub, with its ids as they are and percent-encoded. */
function resourcesOf(host: string, { deviceId, moduleId }: Identity): string[] {
  return [(text: string) => text, encodeURIComponent].map(
    (written) => `${host}/devices/${written(deviceId)}${moduleId === undefined ? '' : `/modules/${written(moduleId)}`}`,
  );
}

function byToken(hub: HubRecord, who: Principal, token: SasToken, now: number): SignIn {
  const [wanted = '', encoded = ''] = resourcesOf(hub.host, who.identity);
  if (!resourceCovers(token.resource, wanted) && !resourceCovers(token.resource, encoded)) {
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
  const reason = keyName === '' ? deviceKeyFlaw(who, token) : policyFlaw(hub, token, keyName);
  return reason === undefined ? { authentication: 'sas', generationId: who.generationId, expiresAt: token.expiry * 1000 } : { reason };
}

function deviceKeyFlaw({ identity, authentication }: Principal, token: SasToken): Reason | undefined {
  if (authentication.type !== 'sas') {
    return {
      rule: 'attestation-kind',
      text: `${identityName(identity)} signs in with a certificate, it sent a SAS token`,
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
    text: `the token is not signed with a key of ${identityName(identity)}`,
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

function byCertificate(who: Principal, certificate: PresentedCertificate, authorities: readonly X509Certificate[], now: number): SignIn {
  const { identity, authentication, generationId } = who;
  const { leaf } = certificate;
  const reason =
    authentication.type === 'sas'
      ? wantsToken(identity)
      : ((authentication.type === 'selfSigned'
          ? thumbprintFlaw(identity, authentication, leaf)
          : chainFlaw(identity, certificate, authorities, now)) ?? validityFlaw(leaf, now));
  return reason === undefined ? { authentication: authentication.type, generationId, expiresAt: undefined } : { reason };
}

function wantsToken(identity: Identity): Reason {
  return {
    rule: 'attestation-kind',
    text: `${identityName(identity)} signs in with a symmetric key, it sent a certificate and no token`,
    seen: 'a client certificate',
    expected: 'a SAS token',
    nearest: 'the same device with a SAS token',
    remedy: 'sign a token with the key that the device registered with',
  };
}

function thumbprintFlaw(
  identity: Identity,
  { primaryThumbprint, secondaryThumbprint }: DeviceAuthentication & { type: 'selfSigned' },
  leaf: X509Certificate,
): Reason | undefined {
  const registered = [primaryThumbprint.toUpperCase(), secondaryThumbprint.toUpperCase()];
  const print = thumbprint(leaf);
  if (registered.includes(print) || registered.includes(shortThumbprint(leaf))) return undefined;
  return {
    rule: 'x509-other-certificate',
    text: `the leaf is not the certificate of ${identityName(identity)}`,
    seen: `thumbprint ${print}`,
    expected: `thumbprint ${primaryThumbprint}`,
    nearest: `the registered certificate; ${difference(print, primaryThumbprint)}`,
    remedy: 'register with DPS again after the certificate was renewed',
  };
}

function chainFlaw(
  identity: Identity,
  { leaf, sent }: PresentedCertificate,
  authorities: readonly X509Certificate[],
  now: number,
): Reason | undefined {
  const name = identity.moduleId === undefined ? identity.deviceId : `${identity.deviceId}/${identity.moduleId}`;
  const commonName = commonNameOf(leaf) ?? '';
  if (commonName !== name) {
    return {
      rule: 'x509-hub-common-name',
      text: `the common name of the leaf is not the name of ${identityName(identity)}`,
      seen: commonName,
      expected: name,
      nearest: `${JSON.stringify(name)}; ${difference(commonName, name)}`,
      remedy: 'issue the leaf with the device id as its common name',
    };
  }
  const { issuers, unfit } = climb(leaf, sent, authorities, now);
  if (issuers.some(({ proved }) => proved)) return undefined;
  return {
    rule: 'x509-hub-authority',
    text:
      authorities.length === 0
        ? 'no CA certificate whose possession is proved is at the hub'
        : `the leaf leads to no CA certificate of the hub${unfit.length === 0 ? '' : `: ${unfit.join('; ')}`}`,
    seen: `issued by ${issuerLine(leaf)}`,
    expected: authorities.length === 0 ? 'a verified CA certificate at the hub' : `a chain to ${authorities.map(subjectLine).join(' or ')}`,
    nearest:
      authorities.length === 0
        ? `${issuerLine(leaf)}, uploaded and proved`
        : `the same leaf with every intermediate up to ${subjectLine(authorities[0] as X509Certificate)}`,
    remedy: 'upload the CA to the hub and prove its possession; send the whole chain',
  };
}

function validityFlaw(leaf: X509Certificate, now: number): Reason | undefined {
  const validity = validityAt(leaf, now);
  if (validity === 'valid') return undefined;
  return {
    rule: validity === 'expired' ? 'x509-expired' : 'x509-not-yet-valid',
    text: validity === 'expired' ? 'the leaf is expired' : 'the leaf is not yet valid',
    seen: validity === 'expired' ? leaf.validTo : leaf.validFrom,
    expected: `valid by the clock of the service, ${new Date(now).toISOString()}`,
    nearest: validity === 'expired' ? `the same leaf before ${leaf.validTo}` : `the same leaf after ${leaf.validFrom}`,
    remedy: validity === 'expired' ? 'issue a new certificate, and register with DPS again' : "check the factory's clock",
  };
}
