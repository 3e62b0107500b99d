import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { deriveDeviceKey } from '@zerotouch/azure-wire/keys';
import { DPS_DEVICE_KEY_NAME, dpsResource, resourceCovers, type SasToken, verifySas } from '@zerotouch/azure-wire/sas';
import { dpsChoices } from '../choices.js';
import { difference, nearestOf } from '../nearest.js';
import { listed, type Reason } from '../reasons.js';
import type { Claim, Ground, Verdict } from './claim.js';

/** Expiries before this come from devices that count from 1970: 2000-01-01, seconds. */
const EPOCH_OF_CLOCKLESS = 946_684_800;

/** Judges a claim that comes with a SAS token. Pure. */
export function attestByToken(claim: Claim, token: SasToken, ground: Ground): Verdict {
  const flaw = tokenFlaw(claim, token, ground.now);
  if (flaw !== undefined) return refuse(flaw);
  return ground.individual === undefined ? byGroup(claim, token, ground) : byIndividual(ground.individual, token);
}

function byIndividual(enrolment: NonNullable<Ground['individual']>, token: SasToken): Verdict {
  const { attestation } = enrolment;
  const name = `individual enrolment ${JSON.stringify(enrolment.registrationId)}`;
  if (attestation.type !== 'symmetricKey') {
    return {
      refused: {
        error: dpsChoices.wrongAttestationKind.value,
        reason: {
          rule: 'attestation-kind',
          text: `${name} asks for ${attestation.type === 'x509' ? 'a client certificate' : 'the endorsement key of a TPM'}, the device sent a SAS token`,
          seen: 'a SAS token',
          expected: `attestation by ${attestation.type}: an individual enrolment decides before any group`,
          nearest: `an individual enrolment ${JSON.stringify(enrolment.registrationId)} with attestation by symmetricKey`,
          remedy: 'present what is enrolled, or change the enrolment',
        },
      },
    };
  }
  const { primaryKey = '', secondaryKey = '' } = attestation.symmetricKey;
  if ([primaryKey, secondaryKey].some((key) => verifySas(token, Buffer.from(key, 'base64')))) {
    return { admitted: { source: { kind: 'individual', enrolment }, authentication: { type: 'sas', primaryKey, secondaryKey } } };
  }
  const asText = [primaryKey, secondaryKey].some((key) => verifySas(token, Buffer.from(key, 'utf8')));
  return refuse({
    rule: asText ? 'sas-key-text' : 'sas-signature',
    seen: asText ? 'a signature by the base64 text of the key' : 'a signature by another key',
    nearest: asText ? 'the same key, decoded from base64' : `the primary key of ${name}`,
    text: asText
      ? `the token is signed with the text of the key of ${name}, not its bytes`
      : `the token is not signed with a key of ${name}`,
    expected: `HMAC-SHA256 with the primary or secondary key of ${name}`,
    remedy: asText ? 'decode the key from base64 before signing' : "burn the enrolment's key into the device",
  });
}

function byGroup({ registrationId }: Claim, token: SasToken, ground: Ground): Verdict {
  const groups = ground.groups.flatMap((enrolment) => {
    if (enrolment.attestation.type !== 'symmetricKey') return [];
    const { primaryKey = '', secondaryKey = '' } = enrolment.attestation.symmetricKey;
    return [{ enrolment, primary: Buffer.from(primaryKey, 'base64'), secondary: Buffer.from(secondaryKey, 'base64') }];
  });
  const spellings = [...new Set([registrationId, canonicalRegistrationId(registrationId)])];
  for (const { enrolment, primary, secondary } of groups) {
    for (const id of spellings) {
      const [primaryKey, secondaryKey] = [deriveDeviceKey(primary, id), deriveDeviceKey(secondary, id)];
      if (!verifySas(token, primaryKey) && !verifySas(token, secondaryKey)) continue;
      return {
        admitted: {
          source: { kind: 'group', enrolment },
          authentication: { type: 'sas', primaryKey: primaryKey.toString('base64'), secondaryKey: secondaryKey.toString('base64') },
        },
      };
    }
  }
  const direct = groups.find(({ primary, secondary }) => verifySas(token, primary) || verifySas(token, secondary));
  if (direct !== undefined) {
    const id = JSON.stringify(direct.enrolment.enrollmentGroupId);
    return refuse({
      rule: 'sas-group-key',
      text: `the token is signed with the key of enrolment group ${id} itself`,
      seen: 'the group key used as device key',
      expected: `the device key: HMAC-SHA256 of the registration id ${JSON.stringify(registrationId)} under the group key`,
      nearest: `the key derived from group ${id} for ${JSON.stringify(registrationId)}`,
      remedy: 'derive the device key at the factory; the group key must never reach a device',
    });
  }
  if (groups.length === 0) {
    return refuse({
      rule: 'no-enrolment',
      text: `there is no individual enrolment ${JSON.stringify(registrationId)} and no symmetric-key enrolment group`,
      seen: registrationId,
      expected: 'an enrolment whose key signed the token',
      remedy: 'import the enrolments of the batch, or create one',
    });
  }
  const asText = groups.find(({ primary, secondary }) =>
    [primary, secondary].some((key) => verifySas(token, Buffer.from(deriveDeviceKey(key, registrationId).toString('base64'), 'utf8'))),
  );
  const names = groups.map(({ enrolment }) => enrolment.enrollmentGroupId);
  const other = derivedForOther(registrationId, token, groups);
  if (other !== undefined) return refuse(other);
  return refuse({
    rule: asText === undefined ? 'sas-signature' : 'sas-key-text',
    seen: asText === undefined ? `a signature by another key, for ${registrationId}` : 'a signature by the base64 text of the key',
    nearest:
      asText === undefined
        ? `the key derived for ${JSON.stringify(registrationId)} from enrolment group ${JSON.stringify(nearestOf(registrationId, names))}, the nearest by name`
        : 'the same key, decoded from base64',
    text:
      asText === undefined
        ? `the token is not signed with a key derived for ${JSON.stringify(registrationId)} from any symmetric-key enrolment group`
        : `the token is signed with the text of the device key of enrolment group ${JSON.stringify(asText.enrolment.enrollmentGroupId)}, not its bytes`,
    expected: `a key derived from one of the groups ${listed(names)}`,
    remedy:
      asText === undefined
        ? 'compare the registration id and the group key that the device key was derived from'
        : 'decode the device key from base64 before signing',
  });
}

/** Spellings of an id that factories are known to derive from by mistake. */
const MISSPELT: readonly ((id: string) => string)[] = [
  (id) => id.toUpperCase(),
  (id) => `CN=${id}`,
  (id) => `${id}\n`,
  (id) => ` ${id}`,
  (id) => `${id} `,
  (id) => `"${id}"`,
  () => '',
];

// Found out only after the refusal is certain: it is for people, and costs some HMACs.
function derivedForOther(
  registrationId: string,
  token: SasToken,
  groups: readonly { enrolment: { enrollmentGroupId: string }; primary: Buffer; secondary: Buffer }[],
): Reason | undefined {
  for (const misspell of MISSPELT) {
    const id = misspell(registrationId);
    if (id === registrationId) continue;
    const group = groups.find(({ primary, secondary }) => [primary, secondary].some((key) => verifySas(token, deriveDeviceKey(key, id))));
    if (group === undefined) continue;
    return {
      rule: 'sas-other-id',
      text: `the device key was derived from enrolment group ${JSON.stringify(group.enrolment.enrollmentGroupId)} for another text than the registration id`,
      seen: `derived for ${JSON.stringify(id)}`,
      expected: `derived for ${JSON.stringify(registrationId)}`,
      nearest: `${JSON.stringify(registrationId)}; ${difference(id, registrationId)}`,
      remedy: 'derive the device key from the registration id exactly as the device sends it',
    };
  }
  return undefined;
}

/** What is wrong with a token whoever signed it, or `undefined`. Pure. */
export function tokenFlaw({ idScope, registrationId }: Claim, token: SasToken, now: number): Reason | undefined {
  const wanted = dpsResource(idScope, registrationId);
  if (!resourceCovers(token.resource, wanted)) {
    return {
      rule: 'sas-resource',
      text: 'the token is for another resource',
      seen: token.resource,
      expected: wanted,
      nearest: `${JSON.stringify(wanted)}; ${difference(token.resource, wanted)}`,
      remedy: 'sign {idScope}/registrations/{registrationId} of this very device',
    };
  }
  // The SDKs' own signers write an empty skn when they are given none.
  if (token.keyName !== undefined && token.keyName !== '' && token.keyName !== DPS_DEVICE_KEY_NAME) {
    return {
      rule: 'sas-key-name',
      text: 'the token names another key than a device has',
      seen: token.keyName,
      expected: DPS_DEVICE_KEY_NAME,
      nearest: `${JSON.stringify(DPS_DEVICE_KEY_NAME)}, or no skn`,
      remedy: 'sign with skn=registration',
    };
  }
  if (token.expiry * 1000 + dpsChoices.clockSkewSeconds.value * 1000 < now) {
    return {
      rule: 'sas-expired',
      text: 'the token is expired by the clock of the service',
      seen: new Date(token.expiry * 1000).toISOString(),
      expected: `later than ${new Date(now).toISOString()}, less ${dpsChoices.clockSkewSeconds.value} s`,
      nearest: `a token that expires after ${new Date(now - dpsChoices.clockSkewSeconds.value * 1000).toISOString()}`,
      remedy:
        token.expiry < EPOCH_OF_CLOCKLESS
          ? 'the device signed without a clock (1970): let it set its clock before it signs'
          : "set the device's clock before it signs",
    };
  }
  return undefined;
}

function refuse(reason: Reason): Verdict {
  return { refused: { error: dpsChoices.noEnrolmentForToken.value, reason } };
}
