/** What the DPS service API does where no source says what Azure does: what was chosen, and why. */

import { dpsErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import type { Choice } from '../../choices.js';

const chosen = (code: number, message: string): ServiceErrorEntry => ({ code, message, evidence: 'chosen' });

/** Decisions of the service API; a value is read from here by the code. */
export const serviceChoices = {
  createOverExisting: {
    value: dpsErrors.conflict,
    why: 'a PUT without If-Match over an existing enrolment is reported as a conflict; 409203 is the one 409 seen of DPS',
  },
  staleEtag: {
    value: chosen(412001, 'Precondition failed.'),
    why: 'HTTP 412 is documented for an etag that does not match; the digits are not',
  },
  starOnAbsent: { value: chosen(412001, 'Precondition failed.'), why: 'RFC 9110: If-Match: * is false when there is nothing to match' },
  etagQuotes: {
    value: 'with, without, escaped or weak',
    why: "the service's etags hold quotes of their own, and SDKs differ in what they do to them",
  },
  etagInBody: { value: 'ignored', why: 'swagger names the If-Match header as the only condition' },
  groupNotFound: { value: chosen(404202, 'Enrollment group not found'), why: 'a second not-found code is seen in the service API' },
  registrationNotFound: {
    value: chosen(404202, 'Device registration not found'),
    why: 'a second not-found code is seen in the service API',
  },
  unknownPath: { value: chosen(404000, 'Not found'), why: 'HTTP has 404 for it' },
  methodNotAllowed: { value: dpsErrors.methodNotAllowed, why: '405 is documented for a method unknown to the path; the digits are not' },
  unsupportedMediaType: {
    value: chosen(415000, 'Unsupported media type'),
    why: '415 is documented for an unsupported payload format; the digits are not',
  },
  missingRight: { value: dpsErrors.unauthorized, why: 'no 403 of DPS is seen anywhere; a policy without the right is unauthorised' },
  badToken: { value: dpsErrors.unauthorizedToken, why: '401000 is what bad tokens are seen to get' },
  writeImpliesRead: { value: true, why: 'as RegistryWrite carries read at the hub' },
  unknownMembers: {
    value: 'refused with 400004',
    why: 'a misspelt member that is silently dropped costs its user a day; read-only members are dropped',
  },
  iotHubHostName: {
    value: 'the one hub; static unless a policy is named',
    why: 'the specification keeps this member beside iotHubs and says no more; az makes static allocation of it',
  },
  symmetricKeysShown: {
    value: 'only by attestationmechanism',
    why: 'the operation exists because reading an enrolment does not show them',
  },
  certificateWithoutText: {
    value: 'the enrolled one is kept',
    why: 'reading gives a certificate as info without its text: what was read can be written back',
  },
  defaultPage: { value: 100, why: 'no source names it' },
  largestPage: { value: 1000, why: 'older pages suggest it; a larger wish gets a page of this size' },
  queryGrammar: {
    value: 'SELECT * [FROM name] [WHERE comparisons with AND, OR, NOT and parentheses]',
    why: 'the SDKs send SELECT *; everything else is refused with 400004 and a message that says what is served',
  },
  bodyBytes: { value: 1024 * 1024, why: 'ten enrolments of two certificates and a full twin each fit' },
  bulkStopsAtError: { value: false, why: 'partial success is described: every item is tried' },
} as const satisfies Record<string, Choice<unknown>>;
