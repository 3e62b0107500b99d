import type { Rule } from './reasons.js';

/** What a rule of the local cloud means, for people. */
export interface RuleEntry {
  /** Who says no by it. */
  at: 'DPS' | 'hub' | 'DPS, hub' | 'service API' | 'none';
  /** What happened. */
  means: string;
  /** What the device or the caller sees of it. */
  wire: string;
  /** What to do. */
  remedy: string;
}

const wire401000 = '401, 401000 Unauthorized';
const wire401002 = '401, 401002';
const failed = (code: string): string => `registration failed, ${code}`;

/** Every rule. `docs/reasons.md` is made from it, and the tests make every one happen. */
export const rules: Record<Rule, RuleEntry> = {
  assigned: { at: 'none', means: 'the device got a hub', wire: 'registration assigned', remedy: 'nothing to do' },
  'signed-in': { at: 'none', means: 'the device is connected to its hub', wire: 'accepted', remedy: 'nothing to do' },
  'user-name': {
    at: 'DPS, hub',
    means: 'the MQTT user name has no form that a service knows',
    wire: 'CONNACK 4',
    remedy: 'send {idScope}/registrations/{id}/api-version=.. to DPS, {hub}/{deviceId}/?api-version=.. to a hub',
  },
  'api-version': {
    at: 'DPS',
    means: 'the api-version is none, or too old',
    wire: 'CONNACK 4; 400',
    remedy: 'send a dated version that the cloud knows',
  },
  'client-id': {
    at: 'DPS, hub',
    means: 'the MQTT client id is not the registration id or device id',
    wire: 'CONNACK 2',
    remedy: 'use the id of the user name as client id',
  },
  'id-scope': {
    at: 'DPS',
    means: 'the image was burnt for another DPS',
    wire: 'CONNACK 5; 401',
    remedy: 'burn the ID scope of this cloud',
  },
  'registration-id': {
    at: 'DPS',
    means: 'the registration id has a form that DPS refuses: a slash, an @, "CN=" left in it, a bad end, too long',
    wire: 'CONNACK 4; 400',
    remedy: 'use 1 to 128 letters, digits and - . _ :',
  },
  'credential-missing': {
    at: 'DPS, hub',
    means: 'neither token nor certificate came, or TLS resumed an old session instead of sending the certificate',
    wire: 'CONNACK 5; 401000',
    remedy: 'hand certificate and key, or a token, to the client; do not resume sessions',
  },
  'request-body': {
    at: 'DPS',
    means: 'the body of the register request is no JSON object',
    wire: '400, 400004',
    remedy: 'send a DeviceRegistration, or nothing',
  },
  'request-id': {
    at: 'DPS',
    means: 'the body names another registration id than the connection',
    wire: '400, 400004',
    remedy: 'send one id; X.509 devices use the CN of their leaf',
  },
  'request-size': { at: 'DPS', means: 'the body is longer than 96 KB', wire: '413', remedy: 'send a smaller payload' },
  'csr-policy': {
    at: 'DPS',
    means: 'the device asks for a certificate, and its enrolment names no policy that would issue one',
    wire: '400, 400004',
    remedy: 'set credentialPolicyName of the enrolment, or register without csr',
  },
  'csr-form': {
    at: 'DPS',
    means: 'the csr is no PKCS#10 in DER and base64: PEM armour, line feeds, cut short',
    wire: '400, 400004',
    remedy: 'send the DER of the request in base64, one line',
  },
  'csr-name': {
    at: 'DPS',
    means: "the csr's common name is not the registration id",
    wire: '400, 400004',
    remedy: 'make the request with the registration id as its common name',
  },
  'csr-signature': {
    at: 'DPS',
    means: 'the csr is not signed with the key that it asks a certificate for',
    wire: '400, 400004',
    remedy: 'sign the request anew with its own key',
  },
  'will-unsupported': {
    at: 'DPS, hub',
    means: 'the MQTT will is no telemetry of the device itself, or has QoS 2',
    wire: 'CONNACK 5',
    remedy: 'send the will to devices/{deviceId}/messages/events/, QoS 0 or 1; DPS takes none',
  },
  'attestation-kind': {
    at: 'DPS, hub',
    means: 'the enrolment or the hub wants another kind of credential than the device showed',
    wire: wire401002,
    remedy: 'show what is enrolled, or change the enrolment',
  },
  'no-enrolment': {
    at: 'DPS',
    means: 'no enrolment lets the device in: none of its id, no group of its issuer or key',
    wire: '401000 or 401002; TPM: 404201',
    remedy: 'enrol the device, or the group of its line',
  },
  'enrolment-disabled': {
    at: 'DPS',
    means: 'the enrolment that decides is disabled; no other one is asked',
    wire: wire401002,
    remedy: 'enable it, or delete it if another one shall decide',
  },
  'operation-unknown': {
    at: 'DPS',
    means: 'the device polls an operation that is not its latest',
    wire: '404, 404202',
    remedy: 'register again',
  },
  'registration-unknown': { at: 'DPS', means: 'a status lookup before any registration', wire: '404, 404201', remedy: 'register first' },
  internal: { at: 'DPS', means: 'the local cloud itself failed', wire: failed('500000'), remedy: 'report it, with the log' },
  'sas-form': {
    at: 'DPS, hub',
    means: 'the password is no SAS token: a key, a connection string, a cut text',
    wire: 'CONNACK 4 or 5; 401000',
    remedy: 'send a SharedAccessSignature',
  },
  'sas-resource': {
    at: 'DPS, hub',
    means: 'the token is for another device, scope or hub',
    wire: wire401000,
    remedy: 'sign the resource of this very device',
  },
  'sas-key-name': { at: 'DPS', means: 'skn names another key than registration', wire: wire401000, remedy: 'sign with skn=registration' },
  'sas-expired': {
    at: 'DPS, hub',
    means: 'the token is expired by the clock of the service: often a device without a clock, in 1970',
    wire: wire401000,
    remedy: "set the device's clock before it signs",
  },
  'sas-signature': {
    at: 'DPS, hub',
    means: 'the token is signed with a key that nobody enrolled',
    wire: wire401000,
    remedy: 'compare the enrolled key with the one in the device',
  },
  'sas-group-key': {
    at: 'DPS',
    means: 'the group key itself signed, not the key derived from it',
    wire: wire401000,
    remedy: 'derive the device key at the factory; the group key never goes into a device',
  },
  'sas-key-text': {
    at: 'DPS',
    means: 'the base64 text of the right key signed, not its bytes',
    wire: wire401000,
    remedy: 'decode the key from base64 before signing',
  },
  'sas-other-id': {
    at: 'DPS',
    means: 'the device key was derived for another spelling of the id: upper case, spaces, CN=, a line feed',
    wire: wire401000,
    remedy: 'derive from the id exactly as it is sent',
  },
  'x509-common-name': {
    at: 'DPS',
    means: 'the common name of the leaf is not the registration id',
    wire: wire401002,
    remedy: 'register under the common name',
  },
  'x509-not-yet-valid': { at: 'DPS, hub', means: 'the leaf begins later than now', wire: wire401002, remedy: "check the factory's clock" },
  'x509-expired': { at: 'DPS, hub', means: 'the leaf is expired', wire: wire401002, remedy: 'issue a new certificate' },
  'x509-other-certificate': {
    at: 'DPS, hub',
    means: 'another certificate is enrolled or registered than the one shown',
    wire: wire401002,
    remedy: 'enrol the present one; register again after a renewal',
  },
  'x509-chain-gap': {
    at: 'DPS',
    means: 'an intermediate between the leaf and a proved CA was not sent',
    wire: '401, 401002 Invalid certificate.',
    remedy: 'send the whole chain, or upload and prove the issuer of the leaf',
  },
  'x509-chain-invalid': {
    at: 'DPS',
    means: 'the chain leads over a certificate that may not sign: no CA, path too long',
    wire: '401, 401002 Invalid certificate.',
    remedy: 'issue the intermediate anew as a CA',
  },
  'x509-ca-expired': {
    at: 'DPS',
    means: 'the leaf is good, but a CA above it has expired',
    wire: '401, 401002 Invalid certificate.',
    remedy: 'renew the CA certificate under the same key, and upload it',
  },
  'x509-same-name': {
    at: 'DPS',
    means: 'a CA of the right name with another key signed: made anew, or pretended',
    wire: '401, 401002 Invalid certificate.',
    remedy: 'upload the new CA certificate as secondary and prove it',
  },
  'x509-no-proof': {
    at: 'DPS',
    means: 'the issuer is in a group, but nobody proved possession of it or of a CA above',
    wire: '401, 401002 Invalid certificate.',
    remedy: 'upload the CA with its verification certificate',
  },
  'tpm-endorsement-key': {
    at: 'DPS',
    means: "the TPM's endorsement key is not the enrolled one",
    wire: wire401002,
    remedy: 'enrol the key that the TPM has',
  },
  'tpm-keys': {
    at: 'DPS',
    means: 'the public areas of the TPM are missing or cannot be used',
    wire: '400, 400004',
    remedy: 'send endorsementKey and storageRootKey as the TPM gives them',
  },
  'no-hub': { at: 'DPS', means: 'no hub is linked at all', wire: failed('400208'), remedy: 'link a hub' },
  'hub-unlinked': {
    at: 'DPS',
    means: 'the enrolment names only hubs that are not linked',
    wire: failed('400208'),
    remedy: "link them, or change the enrolment's iotHubs",
  },
  'hub-taken-out': {
    at: 'DPS',
    means: 'the hub has applyAllocationPolicy false, or weight 0',
    wire: failed('400208'),
    remedy: 'let the linked hub take part again',
  },
  'hub-deleted': {
    at: 'DPS',
    means: 'the hub is linked, but does not exist any more',
    wire: failed('401001'),
    remedy: 'unlink it, or make and link it again',
  },
  'hub-rights': {
    at: 'DPS',
    means: 'the key or policy of the link is not good any more: rotated, deleted, without rights',
    wire: failed('400209'),
    remedy: 'link the hub again with its present key',
  },
  'hub-unreachable': {
    at: 'DPS',
    means: 'the hub does not answer DPS',
    wire: failed('400208; 500000 when the data of the device lies there'),
    remedy: 'bring the hub back',
  },
  'hub-full': { at: 'DPS', means: 'the registry of every possible hub is full', wire: failed('400208'), remedy: 'link another hub' },
  'static-hubs': {
    at: 'DPS',
    means: 'static allocation without exactly one hub in the enrolment',
    wire: failed('400208'),
    remedy: 'name one hub',
  },
  'webhook-status': {
    at: 'DPS',
    means: 'the webhook of custom allocation answered another status than 2xx',
    wire: failed('400207 with the status'),
    remedy: "read the webhook's log; 401 and 403 mean a missing function key",
  },
  'webhook-timeout': { at: 'DPS', means: 'the webhook did not answer in time', wire: failed('400207'), remedy: 'make it faster' },
  'webhook-unreachable': {
    at: 'DPS',
    means: 'the webhook cannot be connected to',
    wire: failed('400207'),
    remedy: 'check its address and its certificate',
  },
  'webhook-answer': {
    at: 'DPS',
    means: 'the answer of the webhook has not the documented form',
    wire: failed('400207'),
    remedy: 'answer {"iotHubHostName": ..}',
  },
  'webhook-hub': {
    at: 'DPS',
    means: 'the webhook chose a hub that it was not offered',
    wire: failed('400208'),
    remedy: 'choose from linkedHubs',
  },
  'throttled-registrations': {
    at: 'DPS',
    means: 'more registrations a minute than the service takes',
    wire: '429, 429001, retry-after',
    remedy: 'obey retry-after; spread the devices over time',
  },
  'throttled-polls': {
    at: 'DPS',
    means: 'more than 5 polls of one device in 10 s',
    wire: '429, 429001, retry-after',
    remedy: 'obey retry-after of the 202',
  },
  'throttled-operations': {
    at: 'service API',
    means: 'more calls of the service API a minute than it takes',
    wire: '429, 429001, retry-after',
    remedy: 'obey retry-after; use bulk operations',
  },
  'hub-unknown': {
    at: 'hub',
    means: 'no hub of this name is there',
    wire: 'CONNACK 5',
    remedy: 'register with DPS again: the hub may be gone',
  },
  'hub-stranger': {
    at: 'hub',
    means: 'the hub has no such device: never registered, deleted, or written in another case',
    wire: 'CONNACK 5',
    remedy: 'register with DPS; device ids are case-sensitive',
  },
  'hub-moved': {
    at: 'hub',
    means: 'DPS assigned the device to another hub',
    wire: 'CONNACK 5',
    remedy: 'register with DPS again, and forget the hub that was kept',
  },
  'hub-policy': {
    at: 'hub',
    means: 'the token names a policy that the hub does not have, or that may not connect devices',
    wire: 'CONNACK 5',
    remedy: 'sign with a key of the device, without skn',
  },
  'device-disabled': {
    at: 'hub',
    means: 'the device is disabled in the registry of the hub',
    wire: 'CONNACK 5; 403, 403012',
    remedy: 'enable it',
  },
  'module-unknown': {
    at: 'hub',
    means: 'the device is there, the module that wants in is not',
    wire: 'CONNACK 5; 404, 404010',
    remedy: 'make the module in the registry of the hub; module ids are case-sensitive',
  },
  'x509-hub-common-name': {
    at: 'hub',
    means: 'the common name of the leaf is not the device id, at a hub that trusts a CA',
    wire: 'CONNACK 5; 401, 401003',
    remedy: 'issue the leaf with the device id as its common name',
  },
  'x509-hub-authority': {
    at: 'hub',
    means: 'the leaf leads to no CA certificate whose possession was proved to the hub',
    wire: 'CONNACK 5; 401, 401003',
    remedy: 'upload the CA to the hub and prove its possession; send the whole chain',
  },
  'connection-replaced': {
    at: 'hub',
    means: 'a newer connection of the same identity took the place of this one',
    wire: 'the connection ends (400027)',
    remedy: 'nothing to do after a reconnect; else end the old connection first',
  },
  'identity-shared': {
    at: 'hub',
    means: 'two clients with one identity take turns throwing each other out',
    wire: 'the connection ends (400027), again and again',
    remedy: 'find the second device with the same image, key or certificate, and give it its own',
  },
  'throttled-hub': {
    at: 'hub',
    means: 'more came than the tier and the units of the hub take, of one kind of operation',
    wire: 'CONNACK 3; 429, 429001, retry-after',
    remedy: 'back off; buy more units',
  },
};
