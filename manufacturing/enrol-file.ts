import { ENROLMENT_FILE, type EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { z } from 'zod';
import { ManufacturingFault } from './faults.js';

const attestation = z.looseObject({ type: z.enum(['x509', 'symmetricKey', 'tpm']) });
const policy = { attestation, iotHubs: z.array(z.string()).optional(), provisioningStatus: z.enum(['enabled', 'disabled']).optional() };

/** As much of the file as this room relies on; DPS checks the rest. */
const schema = z.looseObject({
  version: z.literal(1),
  batch: z.string(),
  idScope: z.string(),
  certificates: z.array(
    z.looseObject({
      name: z.string(),
      certificate: z.string(),
      verification: z.looseObject({ code: z.string(), certificate: z.string() }),
    }),
  ),
  enrollmentGroups: z.array(z.looseObject({ enrollmentGroupId: z.string(), ...policy })),
  enrollments: z.array(z.looseObject({ registrationId: z.string(), ...policy })),
});

/**
 * The enrolments of a batch as its burn wrote them.
 * @param where how the file is called in errors
 * @throws ManufacturingFault ENROLMENTS_UNREADABLE; it never quotes the text, which holds keys
 */
export function parseEnrolments(text: string, where: string = ENROLMENT_FILE): EnrolmentFile {
  const refuse = (summary: string, seen?: unknown): never => {
    throw new ManufacturingFault('ENROLMENTS_UNREADABLE', summary, {
      where,
      ...(seen === undefined ? {} : { seen }),
      expected: 'enrolments.json of version 1, as zerotouch burn writes it',
    });
  };
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return refuse('the enrolments are not JSON');
  }
  const { version } = (data ?? {}) as { version?: unknown };
  if (typeof version === 'number' && version !== 1) return refuse('the enrolments are of another version', version);
  const parsed = schema.safeParse(data);
  if (parsed.success) return data as EnrolmentFile;
  return refuse(`the enrolments have a field that cannot be used: ${parsed.error.issues[0]?.path.join('.') ?? 'the whole'}`);
}
