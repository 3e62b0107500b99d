/**
 * Every decision of the local cloud where no source says what Azure does: what was chosen, and why. A choice that is a number, a code
 * or an error is read from here by the code; one in words is carried out where its name says.
 */

import { dpsErrors, hubErrors } from '@zerotouch/azure-wire/errors';

/** A value that was chosen, with the reason in one line. */
export interface Choice<T> {
  readonly value: T;
  readonly why: string;
}

/** MQTT 3.1.1 CONNACK return codes (section 3.2.2.3). */
export const connack = {
  accepted: 0,
  badProtocolVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorised: 5,
} as const;

/** What DPS does where Azure's behaviour is not documented. */
export const dpsChoices = {
  disabledEnrolment: {
    value: dpsErrors.unauthorized,
    why: "a 401 body: a reply with status `disabled` is a syntax error to the Node SDK's state machine and unknown to the Python SDK",
  },
  noEnrolmentForCertificate: {
    value: dpsErrors.unauthorized,
    why: 'observed 401002 for X.509 attestation failures; a device is not told whether an enrolment exists',
  },
  noEnrolmentForToken: {
    value: dpsErrors.unauthorizedToken,
    why: 'observed 401000 for bad tokens; without a matching key a group member and a stranger are the same',
  },
  wrongAttestationKind: {
    value: dpsErrors.unauthorized,
    why: 'an individual enrolment decides alone; the other kind of credential cannot satisfy it',
  },
  unknownOperation: {
    value: dpsErrors.operationNotFound,
    why: 'of the two not-found codes seen, 404201 is taken by enrolments; only the latest operation of a registration is kept',
  },
  unknownRegistration: {
    value: dpsErrors.enrolmentNotFound,
    why: 'a status lookup without a registration: 404201 is said to mean "enrollment or registration not found"',
  },
  bodyTooLarge: { value: dpsErrors.payloadTooLarge, why: 'HTTP has 413 for it; the limit of 96 KB is documented, the answer is not' },
  wrongRegistrationIdInBody: {
    value: dpsErrors.badRequest,
    why: 'the connection already says who registers: a body that differs is invalid',
  },
  unknownIdScope: { value: connack.notAuthorised, why: 'at CONNECT nobody is there who could judge the device' },
  malformedUserName: { value: connack.badUserNameOrPassword, why: 'what MQTT 3.1.1 names code 4 for' },
  malformedToken: {
    value: connack.badUserNameOrPassword,
    why: 'the password is no SAS token at all; a well-formed wrong one is judged at register',
  },
  noCredential: { value: connack.notAuthorised, why: 'neither a SAS token nor a client certificate: register could only fail' },
  clientIdDiffers: { value: connack.identifierRejected, why: 'ClientId = registration id is documented, and code 2 names the identifier' },
  oldestApiVersion: { value: '2018-04-01', why: 'the oldest one that the documentation mentions; newer dated ones are accepted unseen' },
  clockSkewSeconds: { value: 300, why: 'the documentation names trouble above five minutes of drift' },
  absentKeyName: { value: 'accepted', why: 'azure-sdk-for-c signs without skn; a token with another skn than `registration` is refused' },
  groupKeyDerivation: { value: 'the id as sent, then in lower case', why: 'registration ids ignore case, HMACs do not' },
  foreignFilter: { value: 128, why: 'MQTT 3.1.1 failure in the SUBACK: only the response filter is documented' },
  foreignPublish: { value: 'close', why: 'MQTT 3.1.1 has no other way to refuse a publish' },
  unsubscribedReply: { value: 'dropped', why: 'MQTT delivers to subscriptions only; the request is carried out and acknowledged' },
  replyQos: { value: 0, why: 'documented: at most 1; every client is seen to take 0' },
  sameHubAgain: { value: 'reprovisionedToInitialAssignment', why: 'fits its description: sent again to a hub the device had before' },
  sameHubTwin: { value: 'kept', why: 'a registration that changes nothing must not undo what operators set on the twin' },
  sameHubReset: { value: 'kept', why: 'two pages contradict each other; the custom-allocation page says "only on a hub change"' },
  webhookTimeoutSeconds: { value: 5, why: 'no source says how long Azure waits; a device waits 30 s and more. No second try' },
  webhookNoAnswer: {
    value: { ...dpsErrors.allocationWebhookFailed, message: 'Custom allocation failed: the webhook did not answer' },
    why: 'the code of a webhook that refuses is the only one known for webhooks',
  },
  webhookBadAnswer: {
    value: { ...dpsErrors.allocationWebhookFailed, message: 'Custom allocation failed: the answer of the webhook is invalid' },
    why: 'the code of a webhook that refuses is the only one known for webhooks',
  },
  webhookForeignHub: { value: dpsErrors.noHubAssignable, why: 'the webhook must choose from linkedHubs: no hub was assigned' },
  webhookX509: {
    value: 'certificateInfo and signingCertificateInfo',
    why: 'documented: a webhook gets details of the certificate; the members are those that the device itself is told',
  },
  staticWithoutHub: {
    value: dpsErrors.noHubAssignable,
    why: 'static allocation needs exactly one hub; without it there is none to assign',
  },
  hubUnreachable: { value: dpsErrors.internal, why: 'a device is not taken from a hub that does not answer: its data would be lost' },
  hubThatCannotServe: {
    value: 'passed over',
    why: 'unlinked, deleted, unreachable, full, without rights, taken out or of weight 0: the others serve; 400209, 401001 or 400208 when none is left',
  },
  hubWithoutRightsHoldingData: {
    value: dpsErrors.hubRefusesDps,
    why: 'documented: provisioning fails until the hub is linked anew; the data of the device could not be moved',
  },
  weightZero: { value: 'gets nothing', why: 'documented are 1 to 1000, but az sends 0' },
  takenOutHub: {
    value: 'no policy assigns to it',
    why: 'the text says devices are not assigned there, without exception for static or custom',
  },
  latencyTable: { value: 'by distance', why: 'Azure publishes no fixed figures; a table of your own replaces ours (option latencies)' },
  unknownRegion: { value: 'farthest', why: 'a hub or edge in a region without figures; among equals the weighted hash decides' },
  deviceFoundAtHub: {
    value: 'kept with its twin',
    why: 'a deleted registration record is not said to delete the device; it is found again, and nobody asked for its data to go',
  },
  unlinkedHubHoldingData: {
    value: 'left behind',
    why: 'documented: devices of an unlinked hub stay untouched; the device starts anew elsewhere, one that never moves stays',
  },
  capabilitiesOnSameHub: {
    value: 'kept',
    why: 'migration copies them, and a registration that changes nothing must not undo what operators set',
  },
  tpmChallenge: { value: 'good for five to ten minutes', why: 'no source says how long; any process of the cloud can judge the answer' },
  throttleWindows: { value: 'whole windows from the first request', why: 'Azure says 1,000 a minute and 5 in 10 s, not how it counts' },
  limitsByDefault: {
    value: 'counts and sizes, no rates',
    why: 'a test double must not slow down a suite; option limits: "azure" keeps all',
  },
  badSigningRequest: {
    value: dpsErrors.badRequest,
    why: 'no source names the answer to a csr that cannot be read, has another name or signature, or whose enrolment has no policy',
  },
  signingRequestOfOldVersion: {
    value: 'ignored',
    why: 'before 2025-07-01-preview there is no member csr; unknown members are not looked at',
  },
  credentialPolicies: {
    value: 'each name is one',
    why: 'enrolments name a policy of a registry namespace (credentialPolicyName); here it is made when it is first used, under one root',
  },
  issuedCertificateDays: { value: 30, why: 'a policy of the registry says it; there is no registry here' },
  issuedCertificateAtHub: {
    value: 'by thumbprint, the latest alone',
    why: "Azure's hub trusts the CA of the policy; a registration without csr puts the credential back that it was made with",
  },
  unknownTrustBundle: { value: 'not told', why: 'no source says what becomes of an enrolment whose trust bundle does not exist' },
  unlinkedHub: { value: 'skipped', why: 'an enrolment may outlive a link; registration fails with 400208 when no linked hub is left' },
  severalGroupsOfOneIssuer: { value: 'the first by enrollmentGroupId', why: 'some order is needed that does not change from call to call' },
  recordAfterEnrolment: { value: 'kept', why: 'deleting an enrolment is not said to delete the registration record or the hub device' },
} as const satisfies Record<string, Choice<unknown>>;

/** What a hub does where Azure's behaviour is not documented. */
export const hubChoices = {
  badCredential: { value: connack.notAuthorised, why: 'SDKs read 4 and 5 alike as unauthorised; 5 says what it is' },
  stranger: { value: connack.notAuthorised, why: 'the hub logs unknown device and bad key under one code, 401003' },
  unknownHub: {
    value: connack.notAuthorised,
    why: 'every name in the listener belongs to one cloud; a name outside of it authorises nobody',
  },
  clientIdDiffers: { value: connack.identifierRejected, why: 'ClientId = device id is documented, and code 2 names the identifier' },
  malformedUserName: { value: connack.badUserNameOrPassword, why: 'what MQTT 3.1.1 names code 4 for' },
  expiredThumbprintLeaf: { value: 'refused', why: 'a certificate is good within its validity only, even where its thumbprint is known' },
  groupDeviceAuthentication: { value: 'selfSigned', why: "the hub does not know the group's CA: DPS writes the leaf's thumbprint" },
  sessionPresent: {
    value: 'where CleanSession is 0 and a subscription to messages was kept',
    why: 'the subscription to cloud-to-device messages is documented to stay across sessions with CleanSession 0; of the others nothing is said, and clients subscribe to them again',
  },
  foreignFilter: { value: 128, why: 'MQTT 3.1.1 failure in the SUBACK: only documented filters are supported' },
  subscriptionsAtOnce: { value: 5, why: 'documented as five topics at a time; the sixth is answered with 128' },
  twinWithoutApiVersion: {
    value: hubErrors.argumentInvalid,
    why: 'observed: without api-version in the user name twin patches fail with 400',
  },
  foreignWill: {
    value: connack.notAuthorised,
    why: 'only telemetry of the device itself is documented as a will, QoS 0 or 1; DPS takes none. MQTT 3.1.1 has no code of its own for it',
  },
  serviceClockSkewSeconds: { value: 300, why: 'as at DPS: the documentation names trouble above five minutes of drift' },
  serviceBodyBytes: { value: 1024 * 1024, why: 'a hundred devices of a bulk call fit, and any twin' },
  unsupportedService: {
    value: '501, NotSupported',
    why: 'jobs, file upload, digital twins and Event Hubs endpoints do not exist here; the message says so, and what to use instead',
  },
  disabledDevice: { value: connack.notAuthorised, why: 'the hub logs 403012, MQTT 3.1.1 has 5 for whoever may not connect' },
  throttledConnection: { value: connack.serverUnavailable, why: 'SDKs read 3 as a passing trouble and come again' },
  throttleBurst: {
    value: 2,
    why: 'seconds of a rate that come at once before any is held back; Azure says rates a second and a minute only',
  },
  longestShaping: {
    value: 10,
    why: 'seconds that telemetry is held back before it is refused; Azure shapes traffic, and does not say how long',
  },
  releasedMessages: {
    value: 'at once',
    why: 'what a device held when its connection ended waits for it again; Azure lets the lock of a minute run out',
  },
  feedbackBatches: { value: 'at once', why: 'Azure waits for 64 records or 15 s; a test would wait too' },
  configurationRuns: { value: 'at once', why: 'Azure looks at all twins every five minutes' },
  releasedConfiguration: { value: 'its properties stay', why: 'documented: a device that is targeted no more keeps what it was given' },
  queryLag: { value: 'none', why: "Azure's queries lag behind writes by seconds to minutes" },
  takeoversThatMeanTwoDevices: { value: 3, why: 'within ten minutes; one or two are a device that lost its network' },
  edgeModuleKeys: { value: 'sas', why: '$edgeAgent and $edgeHub get keys of their own, as other modules' },
  oversizedTelemetry: { value: 'close', why: 'MQTT 3.1.1 has no other way to refuse a publish' },
  emptyPatch: { value: 'counts as a change', why: 'the section was written; a client that waits for a version gets one' },
} as const satisfies Record<string, Choice<unknown>>;
