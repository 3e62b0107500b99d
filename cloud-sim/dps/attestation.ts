import { dpsChoices } from '../choices.js';
import { type Claim, type Ground, sourceName, type Verdict } from './claim.js';
import { attestByToken } from './symmetric-key.js';
import { attestByTpm } from './tpm.js';
import { attestByCertificate } from './x509.js';

/** Judges a claim. Pure: same claim, same ground, same verdict. Source: iot-dps/concepts-x509-attestation, concepts-symmetric-key-attestation. */
export function attest(claim: Claim, ground: Ground): Verdict {
  const verdict = judge(claim, ground);
  if ('refused' in verdict || verdict.admitted.source.enrolment.provisioningStatus !== 'disabled') return verdict;
  return {
    refused: {
      error: dpsChoices.disabledEnrolment.value,
      reason: {
        rule: 'enrolment-disabled',
        text: `the device proved itself, but ${sourceName(verdict.admitted.source)} is disabled`,
        seen: 'provisioningStatus disabled',
        expected: 'enabled: the first enrolment that matches decides, no other is asked',
        nearest: 'the same enrolment with provisioningStatus enabled',
        remedy: 'enable the enrolment, or delete it if another one shall decide',
      },
    },
  };
}

function judge(claim: Claim, ground: Ground): Verdict {
  const { credential } = claim;
  switch (credential.kind) {
    case 'sas':
      return attestByToken(claim, credential.token, ground);
    case 'x509':
      return attestByCertificate(claim, credential.certificate, ground);
    case 'tpm':
      return attestByTpm(claim, credential, ground);
  }
}
