import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { deriveDeviceKey } from '@zerotouch/azure-wire/keys';
import { DPS_DEVICE_KEY_NAME, dpsResource, resourceCovers, type SasToken, verifySas } from '@zerotouch/azure-wire/sas';
import { dpsChoices } from '../choices.js';
import { listed, type Reason } from '../reasons.js';
import type { Claim, Ground, Verdict } from './claim.js';

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
    rule: 'sas-signature',
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
      remedy: 'derive the device key at the factory; the group key must never reach a device',
    });
  }
  if (groups.length === 0) {
    return refuse({
      rule: 'no-enrolment',
      text: `there is no individual enrolment ${JSON.stringify(registrationId)} and no symmetric-key enrolment group`,
      expected: 'an enrolment whose key signed the token',
      remedy: 'import the enrolments of the batch, or create one',
    });
  }
  const asText = groups.find(({ primary, secondary }) =>
    [primary, secondary].some((key) => verifySas(token, Buffer.from(deriveDeviceKey(key, registrationId).toString('base64'), 'utf8'))),
  );
  const names = groups.map(({ enrolment }) => enrolment.enrollmentGroupId);
  return refuse({
    rule: 'sas-signature',
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

/** What is wrong with a token whoever signed it, or `undefined`. Pure. */
export function tokenFlaw({ idScope, registrationId }: Claim, token: SasToken, now: number): Reason | undefined {
  const wanted = dpsResource(idScope, registrationId);
  if (!resourceCovers(token.resource, wanted)) {
    return {
      rule: 'sas-resource',
      text: 'the token is for another resource',
      seen: token.resource,
      expected: wanted,
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
      remedy: 'sign with skn=registration',
    };
  }
  if (token.expiry * 1000 + dpsChoices.clockSkewSeconds.value * 1000 < now) {
    return {
      rule: 'sas-expired',
      text: 'the token is expired by the clock of the service',
      seen: new Date(token.expiry * 1000).toISOString(),
      expected: `later than ${new Date(now).toISOString()}, less ${dpsChoices.clockSkewSeconds.value} s`,
      remedy: "set the device's clock before it signs",
    };
  }
  return undefined;
}

function refuse(reason: Reason): Verdict {
  return { refused: { error: dpsChoices.noEnrolmentForToken.value, reason } };
}
