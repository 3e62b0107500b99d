import { z } from 'zod';
import { type AuthorityLevel, authorityLevels, defaultEnrolmentLevel } from './authority-levels.js';

const secretReference = z.string().regex(/^(?:env:.+|@.+|-)$/, 'env:NAME, @FILE or - (stdin)');

const custody = {
  token: z
    .strictObject({
      module: z.string().min(1).describe('Path of the PKCS#11 module: /usr/lib/softhsm/libsofthsm2.so.'),
      label: z.string().min(1).max(32).describe('Label of the token.'),
      pin: secretReference.describe('Where the PIN is read from: env:NAME, @FILE or - (stdin).'),
    })
    .optional()
    .describe('A PKCS#11 token that keeps the CA keys; made there at first use, they never leave it. Needs the package pkcs11js.'),
  passphrase: secretReference
    .optional()
    .describe('Where the passphrase of the CA keys is read from: env:NAME, @FILE or - (stdin). The keys are written encrypted with it.'),
};

const ownCustody = z.strictObject(custody).optional().describe('How the keys of this level are kept; plain where neither is named.');

/** Where and how the CAs of a batch are kept. */
export const authoritySpec = z.strictObject({
  directory: z.string().min(1).describe('Folder of the certificates and keys of the CAs, relative to the spec; made at first use.'),
  levels: z
    .array(z.enum(authorityLevels))
    .min(1)
    .refine(inOrder, { error: 'each of root, line, batch at most once, in this order' })
    .optional()
    .describe(
      'The CAs above a device, from the top down; root, line unless given. line: one for each enrolment group. batch: one below that for each batch.',
    ),
  ...custody,
  custody: z
    .strictObject({ root: ownCustody, line: ownCustody, batch: ownCustody })
    .optional()
    .describe('How the keys of single levels are kept, where that differs.'),
});

/** Where and how the CAs of a batch are kept. */
export type AuthoritySpec = z.output<typeof authoritySpec>;

/** The CA that an enrolment group is for. */
export function enrolledBy(
  { enrolmentCertificate }: { enrolmentCertificate?: AuthorityLevel | undefined },
  levels: readonly AuthorityLevel[],
): AuthorityLevel {
  return enrolmentCertificate ?? defaultEnrolmentLevel(levels);
}

function inOrder(levels: readonly AuthorityLevel[]): boolean {
  const places = levels.map((level) => authorityLevels.indexOf(level));
  return places.every((place, index) => index === 0 || place > (places[index - 1] ?? -1));
}
