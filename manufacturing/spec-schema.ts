import { GLOBAL_DPS_HOST, isIdScope, LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import { type ChipName, chipNames, chips, DEFAULT_CHIP } from '@zerotouch/flash-image/chip';
import { z } from 'zod';
import { DEFAULT_LEVELS } from './authority-levels.js';
import { authoritySpec, enrolledBy } from './spec-authority.js';
import { groupSpec, hostName } from './spec-group.js';

export type { AuthoritySpec } from './spec-authority.js';
export { BATCH_DEVICES_MAX, DEFAULT_LEAF_DAYS, LINE_DAYS } from './spec-group.js';

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
    endpoint: hostName.default(GLOBAL_DPS_HOST).describe('Host name of the DPS device endpoint.'),
    authority: authoritySpec
      .optional()
      .describe('Where the certificate authority is kept, so that several batches share a root; without it, in ca/ of the output folder.'),
    serverRoots: z
      .array(z.string().min(1))
      .min(1)
      .max(8)
      .optional()
      .describe(
        'The only roots that the devices are to trust a server by: PEM files of CA certificates, relative to the spec. Name the one that servers move to as well. Without it, the devices trust whom their runtime trusts.',
      ),
    ...flash,
    groups: z.array(groupSpec).min(1).max(100).describe('The devices, by enrolment.'),
  })
  .superRefine(({ chip, encryption, export: forms, app, bootloader, authority, groups }, context) => {
    const problem = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    const kept = [authority, ...Object.values(authority?.custody ?? {})];
    if (kept.some((one) => one?.token !== undefined && one.passphrase !== undefined))
      problem('authority', 'a token or a passphrase, not both');
    const levels = authority?.levels ?? DEFAULT_LEVELS;
    for (const [index, { enrolmentCertificate: level }] of groups.entries()) {
      const path = ['groups', index, 'enrolmentCertificate'];
      if (level !== undefined && !levels.includes(level))
        context.addIssue({ code: 'custom', path, message: `one of ${levels.join(', ')}, as authority.levels has them` });
    }
    const byRoot = groups.filter((one) => one.attestation === 'x509' && one.enrolment === 'group' && enrolledBy(one, levels) === 'root');
    if (byRoot.length > 0 && groups.filter((one) => one.attestation === 'x509' && one.enrolment === 'group').length > 1)
      problem('groups', 'one x509 group where a group is enrolled by its root: DPS could not tell whose devices are below it');
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
