import { z } from 'zod';
import { authorityLevels } from './authority-levels.js';
import { keyKinds } from './key-kinds.js';

/** Days a device certificate is good for unless the spec says otherwise: ten years. */
export const DEFAULT_LEAF_DAYS = 3650;

/** Days a line intermediate is good for, where its root is good for as long. */
export const LINE_DAYS = 5475;

/** Most devices of one batch: what burns in flat memory, and what a folder of images can still be worked with. */
export const BATCH_DEVICES_MAX = 1_000_000;

const HOST = /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/;
// Source: iot-hub-devguide-device-twins, "keys ... can't contain control characters, '.', '$' or space".
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const TWIN_KEY = /^[^\u0000-\u001f\u007f-\u009f.$ ]{1,1024}$/;

/** A host name. */
export const hostName = z.string().regex(HOST, 'a host name without scheme or port');

const jsonObject = z.record(z.string(), z.json()).refine((section) => keysOf(section).every((key) => TWIN_KEY.test(key)), {
  error: 'twin keys without ".", "$", spaces and control characters, at most 1024 characters long',
});

const serial = z
  .strictObject({
    start: z.int().min(0).max(999_999_999_999).default(1).describe('Number of the first device.'),
    count: z.int().min(1).max(BATCH_DEVICES_MAX).describe('How many devices.'),
    digits: z.int().min(1).max(12).default(6).describe('Every number is written with so many digits, zeros in front.'),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9\-._:]{0,32}$/, 'at most 32 letters, digits and - . _ :')
      .default('')
      .describe('Text in front of the number; part of the serial.'),
  })
  .describe('The serial numbers of the devices: a prefix and a running number.');

const initialTwin = z
  .strictObject({
    tags: jsonObject.optional().describe('Tags: for the operator, never seen by the device.'),
    desired: jsonObject.optional().describe('Desired properties: the first configuration the device applies.'),
  })
  .describe('What the twin of each device starts with.');

/** What to do with a device certificate that would outlive a CA above it. */
export const beyondIssuer = ['clamp', 'warn', 'refuse'] as const;

const macAddress = z
  .string()
  .regex(/^[0-9A-Fa-f]{2}(?:([:-]?)[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}$/, 'six bytes in hexadecimal, as 24:0a:c4:00:01:10')
  .refine((text) => (Number.parseInt(text.slice(0, 2), 16) & 1) === 0, { error: 'an address of one station: the first byte is even' });

const macSpec = z
  .strictObject({
    start: macAddress.optional().describe('Address of the first device.'),
    step: z
      .int()
      .min(1)
      .max(256)
      .optional()
      .describe('Beside start: from one device to the next, 1 unless given. A chip of Espressif may take four addresses.'),
    list: z.array(macAddress).min(1).optional().describe('An address for each device, in the order of the serials.'),
    csv: z.string().min(1).optional().describe('A CSV of serial (or registration id) and address, relative to the spec.'),
  })
  .superRefine(({ start, step, list, csv }, context) => {
    if ([start, list, csv].filter((one) => one !== undefined).length !== 1)
      context.addIssue({ code: 'custom', message: 'exactly one of start, list and csv' });
    if (step !== undefined && start === undefined) context.addIssue({ code: 'custom', path: ['step'], message: 'step only beside start' });
  })
  .describe('MAC addresses of the devices, for the ledger, the manifest and the labels.');

/** Devices that are enrolled alike. */
export const groupSpec = z
  .strictObject({
    enrolment: z
      .enum(['group', 'individual'])
      .default('group')
      .describe('group: one enrolment for all devices. individual: an enrolment of its own for each device.'),
    enrolmentGroup: z
      .string()
      .optional()
      .describe('Id of the enrolment group at DPS; needed where enrolment is "group", refused otherwise.'),
    attestation: z
      .enum(['x509', 'symmetric-key', 'tpm'])
      .describe(
        'How a device proves who it is: a certificate; a key (derived from the group key; made for the device where enrolment is individual); or its TPM, and then nothing secret is burnt.',
      ),
    registrationId: z
      .string()
      .describe('The registration id of each device, with {serial} in the place of its serial; also the common name of its certificate.'),
    serial,
    validity: z
      .strictObject({
        days: z.int().min(1).max(LINE_DAYS).default(DEFAULT_LEAF_DAYS).describe('Days from now until the device certificates expire.'),
        beyondIssuer: z
          .enum(beyondIssuer)
          .optional()
          .describe(
            'Where that is later than the end of a CA above. clamp (unless given): they end with it, and a warning says so. warn: they outlive it, with a warning. refuse: nothing is burnt.',
          ),
      })
      .optional()
      .describe('How long the device certificates are good for; only with attestation x509.'),
    key: z.enum(keyKinds).optional().describe('Kind of the key of each device; only with attestation x509, p256 unless given.'),
    certificateRequests: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Folder of certificate requests (PKCS #10, PEM or DER), one for each device, relative to the spec: the keys are made elsewhere (in the device, in an HSM), and no image holds one. Only with attestation x509.',
      ),
    enrolmentCertificate: z
      .enum(authorityLevels)
      .optional()
      .describe('The CA that the enrolment group is for: line unless given, else the one nearest to it. Only with attestation x509.'),
    secondKey: z
      .boolean()
      .optional()
      .describe(
        'true: each device carries both keys of its enrolment (of a group: a key derived from each), so that the group can be rolled key by key. Only with attestation symmetric-key.',
      ),
    mac: macSpec.optional(),
    endorsementKeys: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Endorsement keys of the TPMs, needed with attestation tpm: a CSV of serial (or registration id) and key in base64, or a folder of files named by either; relative to the spec.',
      ),
    initialTwin: initialTwin.optional(),
    allocationPolicy: z
      .enum(['hashed', 'geoLatency', 'static'])
      .optional()
      .describe('How DPS chooses the hub; without it, what the DPS instance is set to.'),
    iotHubs: z.array(hostName).min(1).optional().describe('Host names of the hubs to choose from; without it, all that are linked.'),
    provisioningStatus: z.enum(['enabled', 'disabled']).default('enabled').describe('disabled: enrolled, but refused until enabled.'),
  })
  .superRefine((value, context) => {
    const problem = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (value.enrolment === 'group' && value.enrolmentGroup === undefined) problem('enrolmentGroup', 'the id of the enrolment group');
    if (value.enrolment === 'individual' && value.enrolmentGroup !== undefined)
      problem('enrolmentGroup', 'no enrolmentGroup beside enrolment: individual');
    if (value.attestation !== 'x509' && value.validity !== undefined) problem('validity', 'validity only beside attestation: x509');
    if (value.attestation !== 'x509' && value.key !== undefined) problem('key', 'key only beside attestation: x509');
    if (value.attestation !== 'x509' && value.certificateRequests !== undefined)
      problem('certificateRequests', 'certificateRequests only beside attestation: x509');
    if (value.attestation !== 'symmetric-key' && value.secondKey !== undefined)
      problem('secondKey', 'secondKey only beside attestation: symmetric-key');
    if (value.key !== undefined && value.certificateRequests !== undefined)
      problem('key', 'no key beside certificateRequests: the requests bring their own');
    if (value.enrolmentCertificate !== undefined && (value.attestation !== 'x509' || value.enrolment !== 'group'))
      problem('enrolmentCertificate', 'enrolmentCertificate only beside attestation: x509 and enrolment: group');
    if (value.attestation === 'tpm' && value.enrolment !== 'individual')
      problem('enrolment', 'enrolment: individual beside attestation: tpm');
    if ((value.attestation === 'tpm') !== (value.endorsementKeys !== undefined))
      problem('endorsementKeys', 'endorsementKeys beside attestation: tpm, and only there');
    if (value.allocationPolicy === 'static' && value.iotHubs?.length !== 1)
      problem('iotHubs', 'exactly one hub beside allocationPolicy: static');
  })
  .describe('Devices that are enrolled alike.');

function keysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(keysOf);
  return Object.entries(value).flatMap(([key, member]) => [key, ...keysOf(member)]);
}
