import { canonicalRegistrationId, REGISTRATION_ID_MAX, registrationIdProblem } from '@zerotouch/azure-wire/ids';
import { dpsChoices } from '../choices.js';
import { type PresentedCertificate, readCredential } from '../credentials.js';
import { difference } from '../nearest.js';
import type { Reason, Transport } from '../reasons.js';
import type { Claim } from './claim.js';
import type { TpmCredential } from './tpm.js';

/** A device at the door of DPS, whatever the protocol. */
export interface Caller {
  transport: Transport;
  idScope: string;
  registrationId: string;
  apiVersion: string;
  /** The id the protocol carries besides the name, if it has one. */
  clientId: string | undefined;
  /** What came as password, a SAS token. */
  password: string | undefined;
  certificate: PresentedCertificate | undefined;
  /** Public areas of a device that attests by its TPM; the password is then the answer to its challenge. */
  tpm?: { endorsementKey: Uint8Array; storageRootKey?: Uint8Array };
  /** The address of ours that the device reached: each region has its own. */
  localAddress?: string | undefined;
}

/**
 * Judges the form of a call: who is meant, and by what it will be attested. Whether that is true is judged at register, as real DPS
 * does (observed: CONNACK 0 with a wrong key). Pure.
 * @param idScope of this DPS
 */
export function judgeForm(caller: Caller, idScope: string): { claim: Claim } | { reason: Reason } {
  const { registrationId, apiVersion, clientId } = caller;
  if (caller.idScope.toLowerCase() !== idScope.toLowerCase()) {
    return {
      reason: {
        rule: 'id-scope',
        text: 'the ID scope is of another DPS',
        seen: caller.idScope,
        expected: idScope,
        nearest: `${JSON.stringify(idScope)}; ${difference(caller.idScope, idScope)}`,
        remedy: 'burn the ID scope of this cloud into the image',
      },
    };
  }
  const problem = registrationIdProblem(registrationId);
  if (problem !== undefined) {
    return {
      reason: {
        rule: 'registration-id',
        text: `the registration id ${problem}`,
        seen: registrationId,
        expected: '1 to 128 letters, digits and - . _ :, the last one a letter, digit or dash',
        nearest: JSON.stringify(mendedId(registrationId)),
        remedy: 'give the device an id of this form; a certificate subject is no id: only what follows CN= is',
      },
    };
  }
  if (!isServedVersion(apiVersion)) {
    const expected = `a dated version from ${dpsChoices.oldestApiVersion.value} on`;
    return {
      reason: {
        rule: 'api-version',
        text: 'the api-version is not served',
        seen: apiVersion,
        expected,
        nearest: '2021-06-01, which every SDK can speak',
        remedy: 'send an api-version that this cloud knows; sovereign clouds know fewer',
      },
    };
  }
  if (clientId !== undefined && canonicalRegistrationId(clientId) !== canonicalRegistrationId(registrationId)) {
    return {
      reason: {
        rule: 'client-id',
        text: 'the client id is not the registration id',
        seen: clientId,
        expected: registrationId,
        nearest: `${JSON.stringify(registrationId)}; ${difference(clientId, registrationId)}`,
        remedy: 'connect with the registration id as MQTT client id',
      },
    };
  }
  const read = caller.tpm === undefined ? readCredential(caller.password, caller.certificate) : tpmCredential(caller.tpm, caller.password);
  return 'reason' in read ? read : { claim: { idScope, registrationId, apiVersion, credential: read.credential } };
}

function tpmCredential(
  { endorsementKey, storageRootKey }: NonNullable<Caller['tpm']>,
  password: string | undefined,
): { credential: TpmCredential } | { reason: Reason } {
  const tpm = { kind: 'tpm', endorsementKey, storageRootKey } as const;
  if (password === undefined || password === '') return { credential: { ...tpm, token: undefined } };
  const read = readCredential(password, undefined);
  if ('reason' in read) return read;
  return { credential: { ...tpm, token: read.credential.kind === 'sas' ? read.credential.token : undefined } };
}

/** The id closest to a text that is none. */
function mendedId(text: string): string {
  const bare = text.replace(/^.*CN ?= ?/, '').replace(/[^A-Za-z0-9\-._:]+/g, '-');
  return (
    bare
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, REGISTRATION_ID_MAX)
      .replace(/[^A-Za-z0-9-]+$/, '') || 'device-1'
  );
}

function isServedVersion(apiVersion: string): boolean {
  return (
    /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(-preview)?$/.test(apiVersion) &&
    apiVersion.slice(0, 10) >= dpsChoices.oldestApiVersion.value
  );
}
