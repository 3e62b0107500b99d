import { GLOBAL_DPS_HOST, isIdScope, LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import { type ChipName, chipNames, chips, DEFAULT_CHIP } from '@zerotouch/flash-image/chip';
import { z } from 'zod';
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

const host = z.string().regex(HOST, 'a host name without scheme or port');

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

const group = z
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
      })
      .optional()
      .describe('How long the device certificates are good for; only with attestation x509.'),
    key: z.enum(keyKinds).optional().describe('Kind of the key of each device; only with attestation x509, p256 unless given.'),
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
    iotHubs: z.array(host).min(1).optional().describe('Host names of the hubs to choose from; without it, all that are linked.'),
    provisioningStatus: z.enum(['enabled', 'disabled']).default('enabled').describe('disabled: enrolled, but refused until enabled.'),
  })
  .superRefine((value, context) => {
    const problem = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (value.enrolment === 'group' && value.enrolmentGroup === undefined) problem('enrolmentGroup', 'the id of the enrolment group');
    if (value.enrolment === 'individual' && value.enrolmentGroup !== undefined)
      problem('enrolmentGroup', 'no enrolmentGroup beside enrolment: individual');
    if (value.attestation !== 'x509' && value.validity !== undefined) problem('validity', 'validity only beside attestation: x509');
    if (value.attestation !== 'x509' && value.key !== undefined) problem('key', 'key only beside attestation: x509');
    if (value.attestation === 'tpm' && value.enrolment !== 'individual')
      problem('enrolment', 'enrolment: individual beside attestation: tpm');
    if ((value.attestation === 'tpm') !== (value.endorsementKeys !== undefined))
      problem('endorsementKeys', 'endorsementKeys beside attestation: tpm, and only there');
    if (value.allocationPolicy === 'static' && value.iotHubs?.length !== 1)
      problem('iotHubs', 'exactly one hub beside allocationPolicy: static');
  })
  .describe('Devices that are enrolled alike.');

/** Forms in which an image can be exported. */
const exportForms = ['partitions', 'image', 'hex', 'uf2'] as const;
/** A form in which an image can be exported. */
export type ExportForm = (typeof exportForms)[number];

const flash = {
  chip: z.enum(chipNames).default(DEFAULT_CHIP).describe("The chip, by esptool's name."),
  flashSize: z
    .union([z.literal(1), z.literal(2), z.literal(4), z.literal(8), z.literal(16), z.literal(32)])
    .default(4)
    .describe('MiB of flash on the board; partitions must end within.'),
  encryption: z
    .enum(['none', 'hmac', 'key-partition'])
    .default('none')
    .describe(
      'How NVS is encrypted. hmac: with keys that the chip derives from an eFuse (images/ID.efuse), the private key too. key-partition: with keys in nvs_keys, which flash encryption must hide.',
    ),
  partitions: z.string().min(1).optional().describe("A partition CSV as Espressif's tool takes it, relative to the spec."),
  app: z.string().min(1).optional().describe('An application binary for the first app partition, relative to the spec.'),
  bootloader: z.string().min(1).optional().describe('A bootloader binary for the place where the chip expects it, relative to the spec.'),
  export: z
    .array(z.enum(exportForms))
    .default([])
    .describe(
      'What to write into export/ID/ for each device. partitions: single files with arguments for esptool. image: the whole flash, which needs app and bootloader. hex: Intel HEX. uf2.',
    ),
};

/** The batch spec, version 1: what `zerotouch burn` reads. Unknown keys are refused. */
export const batchSpecSchema = z
  .strictObject({
    version: z.literal(1).describe('Version of this format.'),
    batch: z
      .string()
      .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,46}[A-Za-z0-9])?$/, '1 to 48 letters, digits and . _ -, with a letter or digit at both ends')
      .describe('Name of the batch; it appears in the manifest and in the names of the certificate authority.'),
    idScope: z
      .string()
      .refine(isIdScope, { error: '0ne and eight hexadecimal digits, as the overview of the DPS instance shows it' })
      .default(LOCAL_ID_SCOPE)
      .describe('ID scope of the DPS instance the devices register with; without it, the local cloud.'),
    endpoint: host.default(GLOBAL_DPS_HOST).describe('Host name of the DPS device endpoint.'),
    authority: z
      .strictObject({
        directory: z
          .string()
          .min(1)
          .describe('Folder of the root and line certificates and keys, relative to the spec; made at first use.'),
        token: z
          .strictObject({
            module: z.string().min(1).describe('Path of the PKCS#11 module: /usr/lib/softhsm/libsofthsm2.so.'),
            label: z.string().min(1).max(32).describe('Label of the token.'),
            pin: z
              .string()
              .regex(/^(?:env:.+|@.+|-)$/, 'env:NAME, @FILE or - (stdin)')
              .describe('Where the PIN is read from: env:NAME, @FILE or - (stdin).'),
          })
          .optional()
          .describe('A PKCS#11 token that keeps the CA keys; made there at first use, they never leave it. Needs the package pkcs11js.'),
        passphrase: z
          .string()
          .regex(/^(?:env:.+|@.+|-)$/, 'env:NAME, @FILE or - (stdin)')
          .optional()
          .describe(
            'Where the passphrase of the CA keys is read from: env:NAME, @FILE or - (stdin). The keys are written encrypted with it.',
          ),
      })
      .optional()
      .describe('Where the certificate authority is kept, so that several batches share a root; without it, in ca/ of the output folder.'),
    ...flash,
    groups: z.array(group).min(1).max(100).describe('The devices, by enrolment.'),
  })
  .superRefine(({ chip, encryption, export: forms, app, bootloader, authority }, context) => {
    const problem = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (authority?.token !== undefined && authority.passphrase !== undefined) problem('authority', 'a token or a passphrase, not both');
    if (encryption === 'hmac' && !chips[chip].hmac)
      problem('encryption', `a chip with an HMAC peripheral (${hmacChips()}), or key-partition`);
    if (forms.includes('image') && (app === undefined || bootloader === undefined))
      problem('export', 'app and bootloader beside image: a whole flash without them would erase those of the board');
  })
  .meta({ title: 'zerotouch batch spec', description: 'What a batch of devices is burnt with.' });

/** A batch spec, checked, with its defaults filled in. */
export type BatchSpec = z.output<typeof batchSpecSchema>;
/** One group of devices of a {@link BatchSpec}. */
export type GroupSpec = BatchSpec['groups'][number];

/** The batch spec as a JSON Schema (draft 2020-12), for editors and checks. */
export function batchSpecJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(batchSpecSchema, { io: 'input' }) };
}

function hmacChips(): string {
  return chipNames.filter((name: ChipName) => chips[name].hmac).join(', ');
}

function keysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(keysOf);
  return Object.entries(value).flatMap(([key, member]) => [key, ...keysOf(member)]);
}
