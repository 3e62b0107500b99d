import type { EnrolmentFile, EnrolmentGroup, IndividualEnrolment, ProvedCertificate } from '@zerotouch/azure-wire/enrolment';
import { isDeviceId, registrationIdProblem } from '@zerotouch/azure-wire/ids';
import { parseKey } from '@zerotouch/azure-wire/keys';
import { isJsonObject, type JsonObject } from '@zerotouch/azure-wire/twin';
import { isFault } from '@zerotouch/foundation/fault';
import { z } from 'zod';
import { CloudFault } from '../faults.js';
import { twinProblem } from '../hub/twin-limits.js';
import { type Naming, namedHubs, ownPolicy } from './named-hubs.js';

const registrationId = z.string().superRefine((id, context) => {
  const problem = registrationIdProblem(id);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: `the id ${problem}` });
});

const key = z.string().superRefine((text, context) => {
  try {
    parseKey(text);
  } catch (error) {
    if (!isFault(error)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
});

const certificate = z.strictObject({ certificate: z.string().min(1) });
const certificates = z.strictObject({ primary: certificate.optional(), secondary: certificate.optional() });
const references = z.strictObject({ primary: z.string().min(1).optional(), secondary: z.string().min(1).optional() });

const symmetricKey = z.strictObject({
  type: z.literal('symmetricKey'),
  symmetricKey: z.strictObject({ primaryKey: key.optional(), secondaryKey: key.optional() }).default({}),
});

const section = (kind: 'tags' | 'desired') =>
  z.custom<JsonObject>(isJsonObject, { error: 'expected a JSON object' }).superRefine((value, context) => {
    const problem = twinProblem(value, kind);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

const POLICIES = ['hashed', 'geoLatency', 'static', 'custom'] as const;
// The documentation writes them in several ways: hashed, geolatency, GeoLatency.
const policies = new Map(POLICIES.map((policy) => [policy.toLowerCase(), policy]));

/** The first api-version of the webhook's request. Source: DPS service API 2021-10-01. */
const OLDEST_WEBHOOK = '2018-09-01';

const publicArea = z.base64().refine((text) => text.length >= 16, { error: 'is too short for a public area' });

const tpm = z.strictObject({
  type: z.literal('tpm'),
  tpm: z.strictObject({ endorsementKey: publicArea, storageRootKey: publicArea.optional() }),
});

interface Allocating extends Naming {
  customAllocationDefinition?: object | undefined;
}

/** What the members that concern allocation must be to one another. */
function checkAllocation(allocating: Allocating, context: z.RefinementCtx): void {
  const { allocationPolicy, iotHubs, iotHubHostName, customAllocationDefinition } = allocating;
  const flaw = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  if (ownPolicy(allocating) === 'static' && namedHubs(allocating)?.length !== 1) flaw('iotHubs', 'static allocation needs exactly one hub');
  if (iotHubHostName !== undefined && iotHubs?.every((host) => host.toLowerCase() !== iotHubHostName.toLowerCase())) {
    flaw('iotHubHostName', 'is a hub that iotHubs does not hold');
  }
  if (allocationPolicy === 'custom' && customAllocationDefinition === undefined) {
    flaw('customAllocationDefinition', 'custom allocation needs webhookUrl and apiVersion');
  }
}

const common = {
  provisioningStatus: z.enum(['enabled', 'disabled']).optional(),
  reprovisionPolicy: z.strictObject({ updateHubAssignment: z.boolean(), migrateDeviceData: z.boolean() }).optional(),
  allocationPolicy: z
    .preprocess((value) => (typeof value === 'string' ? (policies.get(value.toLowerCase()) ?? value) : value), z.enum(POLICIES))
    .optional(),
  iotHubs: z.array(z.string().min(1)).min(1).optional(),
  iotHubHostName: z.string().min(1).optional(),
  customAllocationDefinition: z
    .strictObject({
      webhookUrl: z.url({ protocol: /^https?$/, error: 'is no address of a webhook: http:// or https://' }),
      apiVersion: z
        .string()
        .regex(/^\d{4}-\d\d-\d\d(-preview)?$/)
        .refine((version) => version.slice(0, 10) >= OLDEST_WEBHOOK, { error: `is older than ${OLDEST_WEBHOOK}-preview` }),
    })
    .optional(),
  initialTwin: z
    .strictObject({
      tags: section('tags').optional(),
      properties: z.strictObject({ desired: section('desired').optional() }).optional(),
    })
    .optional(),
  capabilities: z.strictObject({ iotEdge: z.boolean() }).optional(),
  credentialPolicyName: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$/, { error: 'is no name of a credential policy: 1 to 50 letters, digits and . _ -' })
    .optional(),
  trustBundleId: z.string().min(1).max(128).optional(),
  etag: z.string().optional(),
  createdDateTimeUtc: z.string().optional(),
  lastUpdatedDateTimeUtc: z.string().optional(),
};

const one = (pair: { primary?: unknown; secondary?: unknown }): boolean => pair.primary !== undefined || pair.secondary !== undefined;

const individual = z
  .strictObject({
    registrationId,
    deviceId: z.string().refine(isDeviceId, { error: 'is no device id of IoT Hub' }).optional(),
    optionalDeviceInformation: z.custom<JsonObject>(isJsonObject, { error: 'expected a JSON object' }).optional(),
    attestation: z.discriminatedUnion('type', [
      symmetricKey,
      tpm,
      z.strictObject({
        type: z.literal('x509'),
        x509: z.strictObject({ clientCertificates: certificates.refine(one, { error: 'a primary or secondary certificate is needed' }) }),
      }),
    ]),
    ...common,
  })
  .superRefine(checkAllocation);

const group = z
  .strictObject({
    enrollmentGroupId: registrationId,
    attestation: z.discriminatedUnion('type', [
      symmetricKey,
      z.strictObject({
        type: z.literal('x509'),
        x509: z
          .strictObject({ signingCertificates: certificates.optional(), caReferences: references.optional() })
          .refine(({ signingCertificates, caReferences }) => one(signingCertificates ?? {}) !== one(caReferences ?? {}), {
            error: 'either signingCertificates or caReferences is needed',
          }),
      }),
    ]),
    ...common,
  })
  .superRefine(checkAllocation);

const proved = z.strictObject({
  name: z.string().min(1),
  certificate: z.string().min(1),
  verification: z.strictObject({ code: z.string().min(1), certificate: z.string().min(1) }),
});

const file = z.strictObject({
  version: z.literal(1),
  batch: z.string().min(1),
  idScope: z.string().min(1),
  certificates: z.array(proved),
  enrollmentGroups: z.array(group),
  enrollments: z.array(individual),
});

/** @throws CloudFault BAD_ENROLMENT */
export const parseIndividual = (value: unknown): IndividualEnrolment =>
  parse(individual, value, 'individual enrolment') as IndividualEnrolment;
/** @throws CloudFault BAD_ENROLMENT */
export const parseGroup = (value: unknown): EnrolmentGroup => parse(group, value, 'enrolment group') as EnrolmentGroup;
/** @throws CloudFault BAD_ENROLMENT */
export const parseProved = (value: unknown): ProvedCertificate => parse(proved, value, 'certificate');
/** @throws CloudFault BAD_ENROLMENT */
export const parseEnrolmentFile = (value: unknown): EnrolmentFile => parse(file, value, 'enrolments') as EnrolmentFile;

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new CloudFault('BAD_ENROLMENT', issue?.message ?? 'the input is invalid', {
    where: [what, ...(issue?.path.map(String) ?? [])].join(' > '),
    expected: 'the shape of the DPS service API 2021-10-01',
  });
}
