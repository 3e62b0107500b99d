import { deriveDeviceKey, parseKey } from '@zerotouch/azure-wire/keys';
import { Fault } from '@zerotouch/foundation/fault';
import { readSecret } from '../secret.js';
import { certificateIn } from './certificates.js';
import type { LocalCloud } from './local-cloud.js';
import { keysIn } from './resources.js';
import { ifMatch, queryAll, serviceOf, type Target } from './service-target.js';

type Json = Record<string, unknown>;

/** Options of enrolments of either kind. */
interface EnrolmentOptions extends Target {
  enrollmentId: string;
  attestationType?: 'symmetricKey' | 'x509' | 'tpm';
  primaryKey?: string;
  secondaryKey?: string;
  endorsementKey?: string;
  certificatePath?: string;
  secondaryCertificatePath?: string;
  caName?: string;
  secondaryCaName?: string;
  deviceId?: string;
  provisioningStatus?: string;
  reprovisionPolicy?: keyof typeof REPROVISION;
  allocationPolicy?: string;
  iotHubs?: string[];
  webhookUrl?: string;
  apiVersion?: string;
  edgeEnabled?: boolean;
  initialTwinTags?: Json;
  initialTwinProperties?: Json;
  deviceInformation?: Json;
  etag?: string;
  showKeys?: boolean;
  top?: number;
}

/** What az calls the reprovisioning policies. */
export const REPROVISION = {
  never: { updateHubAssignment: false, migrateDeviceData: false },
  reprovisionandmigratedata: { updateHubAssignment: true, migrateDeviceData: true },
  reprovisionandresetdata: { updateHubAssignment: true, migrateDeviceData: false },
} as const;

/** What differs between the two kinds. */
const INDIVIDUAL = { plural: 'enrollments', member: 'registrationId', certificates: 'clientCertificates' } as const;
const GROUP = { plural: 'enrollmentGroups', member: 'enrollmentGroupId', certificates: 'signingCertificates' } as const;
type EnrolmentKind = typeof INDIVIDUAL | typeof GROUP;

export const individuals = verbsOf(INDIVIDUAL);
export const groups = {
  ...verbsOf(GROUP),
  /** The key of one device of a group, from the group's. */
  computeDeviceKey: async (cloud: LocalCloud, given: EnrolmentOptions & { registrationId: string; symmetricKey?: string }) => {
    const { registrationId, symmetricKey } = given;
    if (symmetricKey !== undefined) return deviceKey(await readSecret(symmetricKey, '--symmetric-key'), registrationId);
    if (given.enrollmentId === undefined) throw new Fault('NO_KEY', 'no key is named', { expected: '--enrollment-id or --symmetric-key' });
    const { attestation } = (await groups.show(cloud, { ...given, showKeys: true })) as { attestation: Mechanism };
    if (attestation.symmetricKey !== undefined) return deviceKey(attestation.symmetricKey.primaryKey ?? '', registrationId);
    const seen = attestation.type;
    throw new Fault('NO_KEY', 'the group has no symmetric key', { where: given.enrollmentId, seen, expected: 'symmetricKey' });
  },
};

interface Mechanism {
  type: string;
  symmetricKey?: { primaryKey?: string; secondaryKey?: string };
  x509?: Json;
  tpm?: { endorsementKey?: string };
}

function verbsOf(kind: EnrolmentKind) {
  const at = (id: string): string => `/${kind.plural}/${encodeURIComponent(id)}`;
  return {
    list: async (cloud: LocalCloud, given: EnrolmentOptions) =>
      queryAll(await serviceOf(cloud, 'dps', given), `/${kind.plural}/query`, 'SELECT *', given.top),
    show: async (cloud: LocalCloud, given: EnrolmentOptions): Promise<object> => {
      const { call } = await serviceOf(cloud, 'dps', given);
      const { body } = await call({ path: at(given.enrollmentId) });
      if (given.showKeys !== true) return body as object;
      const attestation = (await call({ method: 'POST', path: `${at(given.enrollmentId)}/attestationmechanism` })).body;
      return { ...(body as object), attestation };
    },
    create: async (cloud: LocalCloud, given: EnrolmentOptions) => {
      const { call } = await serviceOf(cloud, 'dps', given);
      const body = { ...(await written(given)), [kind.member]: given.enrollmentId, attestation: await mechanism(kind, given) };
      return (await call({ method: 'PUT', path: at(given.enrollmentId), body })).body;
    },
    update: async (cloud: LocalCloud, given: EnrolmentOptions) => {
      const { call } = await serviceOf(cloud, 'dps', given);
      const current = (await call({ path: at(given.enrollmentId) })).body as Json & { attestation: Mechanism };
      // Reading an enrolment shows no keys; written back without them, it would get others.
      const kept =
        current.attestation.type === 'symmetricKey'
          ? ((await call({ method: 'POST', path: `${at(given.enrollmentId)}/attestationmechanism` })).body as Mechanism)
          : current.attestation;
      const body = { ...current, ...(await written(given, current)), attestation: await changed(kind, kept, given) };
      return (await call({ method: 'PUT', path: at(given.enrollmentId), headers: ifMatch(given.etag), body })).body;
    },
    delete: async (cloud: LocalCloud, given: EnrolmentOptions) => {
      const { call } = await serviceOf(cloud, 'dps', given);
      await call({ method: 'DELETE', path: at(given.enrollmentId), headers: ifMatch(given.etag) });
    },
  };
}

/** How devices prove themselves, as the options say. @throws Fault NO_ATTESTATION */
async function mechanism(kind: EnrolmentKind, given: EnrolmentOptions): Promise<Mechanism> {
  const x509 = await x509In(kind, given);
  const type = given.attestationType ?? (x509 === undefined ? 'symmetricKey' : 'x509');
  if (type === 'symmetricKey') return { type, symmetricKey: await keysIn(given) };
  if (type === 'tpm' && given.endorsementKey !== undefined) return { type, tpm: { endorsementKey: given.endorsementKey } };
  if (type === 'x509' && x509 !== undefined) return { type, x509 };
  const expected = type === 'tpm' ? '--endorsement-key' : '--certificate-path';
  throw new Fault('NO_ATTESTATION', `attestation by ${type} needs more`, { where: '--attestation-type', seen: type, expected });
}

async function changed(kind: EnrolmentKind, current: Mechanism, given: EnrolmentOptions): Promise<Mechanism> {
  const x509 = await x509In(kind, given);
  if (current.type === 'x509') {
    if (x509 === undefined) return current;
    const [name = '', pair] = Object.entries(x509)[0] ?? [];
    return { ...current, x509: { [name]: { ...(current.x509?.[name] as Json), ...(pair as Json) } } };
  }
  if (current.type === 'tpm') {
    const { endorsementKey } = given;
    return endorsementKey === undefined ? current : { ...current, tpm: { ...current.tpm, endorsementKey } };
  }
  return { ...current, symmetricKey: { ...current.symmetricKey, ...(await keysIn(given)) } };
}

async function x509In(kind: EnrolmentKind, given: EnrolmentOptions): Promise<Json | undefined> {
  const { certificatePath: first, secondaryCertificatePath: second, caName, secondaryCaName } = given;
  if (caName !== undefined || secondaryCaName !== undefined) return { caReferences: pairOf(caName, secondaryCaName) };
  if (first === undefined && second === undefined) return undefined;
  const certificate = async (path?: string) => (path === undefined ? undefined : { certificate: await certificateIn(path) });
  return { [kind.certificates]: pairOf(await certificate(first), await certificate(second)) };
}

function pairOf(primary: unknown, secondary: unknown): Json {
  return { ...(primary === undefined ? {} : { primary }), ...(secondary === undefined ? {} : { secondary }) };
}

/** Members of an enrolment that the options name. */
async function written(given: EnrolmentOptions, current: Json = {}): Promise<Json> {
  const { deviceId, provisioningStatus, reprovisionPolicy, allocationPolicy, iotHubs, webhookUrl, apiVersion } = given;
  const { edgeEnabled, initialTwinTags: tags, initialTwinProperties: desired, deviceInformation } = given;
  const twin = (current.initialTwin ?? {}) as Json;
  const definition = (current.customAllocationDefinition ?? {}) as Json;
  const members: Json = {
    deviceId,
    provisioningStatus,
    allocationPolicy,
    iotHubs: iotHubs?.flatMap((hosts) => hosts.split(/\s+/)),
    reprovisionPolicy: reprovisionPolicy === undefined ? undefined : REPROVISION[reprovisionPolicy],
    capabilities: edgeEnabled === undefined ? undefined : { iotEdge: edgeEnabled },
    optionalDeviceInformation: deviceInformation,
    customAllocationDefinition:
      webhookUrl === undefined && apiVersion === undefined
        ? undefined
        : {
            ...definition,
            ...(webhookUrl === undefined ? {} : { webhookUrl: await readSecret(webhookUrl, '--webhook-url') }),
            ...(apiVersion === undefined ? {} : { apiVersion }),
          },
    initialTwin:
      tags === undefined && desired === undefined
        ? undefined
        : { ...twin, ...(tags === undefined ? {} : { tags }), ...(desired === undefined ? {} : { properties: { desired } }) },
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function deviceKey(groupKey: string, registrationId: string): string {
  return deriveDeviceKey(parseKey(groupKey), registrationId).toString('base64');
}

interface RegistrationOptions extends Target {
  enrollmentId: string;
  registrationId: string;
  etag?: string;
  top?: number;
}

const registration = (id: string): string => `/registrations/${encodeURIComponent(id)}`;

/** What became of devices that registered. An individual enrolment has at most one registration, of its own id. */
export const registrations = {
  list: async (cloud: LocalCloud, given: RegistrationOptions) =>
    queryAll(await serviceOf(cloud, 'dps', given), `${registration(given.enrollmentId)}/query`, 'SELECT *', given.top),
  show: async (cloud: LocalCloud, given: RegistrationOptions) => {
    const { call } = await serviceOf(cloud, 'dps', given);
    return (await call({ path: registration(given.registrationId ?? given.enrollmentId) })).body;
  },
  delete: async (cloud: LocalCloud, given: RegistrationOptions) => {
    const { call } = await serviceOf(cloud, 'dps', given);
    const path = registration(given.registrationId ?? given.enrollmentId);
    await call({ method: 'DELETE', path, headers: ifMatch(given.etag) });
  },
};
