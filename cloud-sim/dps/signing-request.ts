import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequest, type PublicKey } from '@peculiar/x509';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { dpsChoices } from '../choices.js';
import { difference } from '../nearest.js';
import type { Reason } from '../reasons.js';
import { type Claim, type Refused, type Source, sourceName } from './claim.js';
import { issuesCertificates } from './previews.js';

/** A certificate that a device asks for, and may have. */
export interface SigningRequest {
  /** As the device wrote it. */
  commonName: string;
  publicKey: PublicKey;
  /** Name of the policy that issues it. */
  policy: string;
}

const FORM = 'PKCS#10 in DER, base64 without PEM armour and line feeds';

/**
 * The signing request in a register request.
 * @param csr the member `csr`
 * @returns `undefined` when there is none, or the api-version does not know it
 */
export async function readSigningRequest(
  csr: unknown,
  { apiVersion, registrationId }: Claim,
  source: Source,
): Promise<{ request: SigningRequest } | { flaw: Refused } | undefined> {
  if (csr === undefined || csr === null || !issuesCertificates(apiVersion)) return undefined;
  const policy = source.enrolment.credentialPolicyName;
  if (policy === undefined) {
    return flawed({
      rule: 'csr-policy',
      text: `the device asks for a certificate, and ${sourceName(source)} names no policy that would issue one`,
      seen: 'no credentialPolicyName',
      expected: 'an enrolment with credentialPolicyName',
      nearest: `${sourceName(source)} with credentialPolicyName "default"`,
      remedy: 'name a credential policy in the enrolment, or register without csr',
    });
  }
  const parsed = parse(csr);
  if (parsed === undefined) {
    return flawed({
      rule: 'csr-form',
      text: 'the csr cannot be read',
      seen:
        typeof csr === 'string' ? `text of ${csr.length} characters${csr.includes('-----BEGIN') ? ', with PEM armour' : ''}` : typeof csr,
      expected: FORM,
      nearest: 'the same request in that form',
      remedy: 'send the DER of the signing request in base64, one line',
    });
  }
  const names = parsed.subjectName.getField('CN');
  const [commonName] = names;
  if (names.length !== 1 || commonName === undefined || canonicalRegistrationId(commonName) !== canonicalRegistrationId(registrationId)) {
    return flawed({
      rule: 'csr-name',
      text: "the csr's common name is not the registration id",
      seen: names.length === 1 ? JSON.stringify(commonName) : `${names.length} common names`,
      expected: registrationId,
      nearest: `CN=${registrationId}${commonName === undefined ? '' : `; ${difference(commonName, registrationId)}`}`,
      remedy: 'make the signing request with the registration id as its common name',
    });
  }
  if (!(await isSignedByItsKey(parsed))) {
    return flawed({
      rule: 'csr-signature',
      text: 'the csr is not signed with the key that it asks a certificate for',
      seen: 'a signature by another key, or of a kind that is not served',
      expected: 'a signature by the private key of the public key in the csr, ECDSA or RSA',
      nearest: 'the same request, signed with its own key',
      remedy: 'sign the request anew; it may have been damaged on its way',
    });
  }
  return { request: { commonName, publicKey: parsed.publicKey, policy } };
}

function parse(csr: unknown): Pkcs10CertificateRequest | undefined {
  if (typeof csr !== 'string' || csr.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(csr)) return undefined;
  try {
    return new Pkcs10CertificateRequest(Buffer.from(csr, 'base64'));
  } catch {
    return undefined;
  }
}

async function isSignedByItsKey(request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify(webcrypto);
  } catch {
    return false;
  }
}

function flawed(reason: Reason): { flaw: Refused } {
  return { flaw: { error: dpsChoices.badSigningRequest.value, reason } };
}
