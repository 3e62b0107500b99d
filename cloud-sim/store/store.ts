import type { AllocationPolicy, EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { HubSpec } from '../options.js';
import type { Attempt } from '../reasons.js';

/**
 * Records of one kind by key. Records are plain JSON and immutable: who changes one writes a new one. Every call is
 * asynchronous, so that a database, or one shared by several processes, fits behind it.
 */
export interface Table<T> {
  get(key: string): Promise<T | undefined>;
  /**
   * Reads, changes and writes one record as one step that no other write comes between.
   * @param change gets the record or `undefined`; what it returns is kept, `undefined` deletes. It may run more than once, so it has
   *   no effects of its own; what it throws ends the update without a change.
   * @returns what is kept now
   */
  update<R extends T | undefined>(key: string, change: (current: T | undefined) => R): Promise<R>;
  /** @returns whether there was one */
  delete(key: string): Promise<boolean>;
  /** Records in order of their keys, those whose key starts with `prefix`. */
  list(prefix?: string): Promise<T[]>;
  /** Records in order of their keys, some at a time. */
  page(request: PageRequest): Promise<Page<T>>;
  /** How many there are, those whose key starts with `prefix`. */
  count(prefix?: string): Promise<number>;
}

/** Which records a page holds. */
export interface PageRequest {
  /** At most so many records, at least 1. */
  limit: number;
  /** Only records behind this key. */
  after?: string | undefined;
  /** Only records of this group; see {@link groupOf}. */
  group?: string | undefined;
  /** Only records whose key starts so, and goes on. */
  prefix?: string | undefined;
}

/** Some records, and the key to go on after; none when these were the last. */
export interface Page<T> {
  /** Of the records, in the same order. */
  keys: string[];
  records: T[];
  next: string | undefined;
}

/** Attempts by the canonical id of who made them; only the latest are kept. */
export interface AttemptLog {
  append(key: string, attempt: Attempt): Promise<void>;
  /** Oldest first. */
  list(key: string): Promise<Attempt[]>;
}

/** A CA certificate that was uploaded to DPS or to a hub. */
export interface CertificateRecord {
  name: string;
  /** PEM. */
  certificate: string;
  /** Whether possession of its private key was proved. */
  verified: boolean;
  /** The code that a verification certificate must carry as its common name; present once one was asked for. */
  verificationCode?: string;
  etag?: string;
  /** UTC, ISO 8601. */
  created?: string;
  updated?: string;
}

/** The resource group of what was made without naming one. */
export const DEFAULT_GROUP = 'zerotouch';

/** A shared access policy of a hub. */
export interface PolicyRecord {
  name: string;
  rights: readonly ('RegistryRead' | 'RegistryWrite' | 'ServiceConnect' | 'DeviceConnect')[];
  /** Base64. */
  primaryKey: string;
  secondaryKey: string;
}

/** A hub and its policies. What is absent was not told: it is in {@link DEFAULT_GROUP}, one unit of S1. */
export interface HubRecord extends HubSpec, Partial<ResourceRecord> {
  subscription: string;
  policies: readonly PolicyRecord[];
  /** What its resource was told besides, as it was told: shown again. */
  properties?: JsonObject;
  /** `false`: DPS gets no answer from it. Devices do. */
  reachable?: boolean;
}

/** A hub that was taken away, and not made again since. */
export interface RemovedHubRecord {
  host: string;
}

/** A hub as DPS knows it: the policy it acts under, and how much it gets. The key is a copy: it goes stale when the hub's is rotated. */
export interface LinkRecord {
  host: string;
  region: string;
  keyName: string;
  /** Base64. */
  key: string;
  /** 1 to 1000; 0 gets nothing. */
  allocationWeight: number;
  /** `false` takes the hub out of allocation. */
  applyAllocationPolicy: boolean;
}

/** What Azure's resource manager keeps of a resource. */
export interface ResourceRecord {
  /** A GUID. */
  subscription: string;
  resourceGroup: string;
  tags?: Readonly<Record<string, string>>;
  etag?: string;
}

/** A DPS and its settings. */
export interface ServiceRecord extends ResourceRecord {
  /** The first label of its host name. */
  name: string;
  idScope: string;
  /** Azure region. */
  region: string;
  /** Units of S1. */
  capacity: number;
  /** Of enrolments that name none. `custom` is for enrolments only. */
  allocationPolicy: Exclude<AllocationPolicy, 'custom'>;
  /** What the keys of TPM challenges are made from; base64. */
  challengeSecret: string;
}

/** A resource group of a subscription. */
export interface GroupRecord extends Omit<ResourceRecord, 'resourceGroup'> {
  name: string;
  region: string;
}

/** A right at the DPS service API. Source: swagger of the DPS resource, AccessRightsDescription. */
export type ServiceRight =
  | 'ServiceConfig'
  | 'EnrollmentRead'
  | 'EnrollmentWrite'
  | 'DeviceConnect'
  | 'RegistrationStatusRead'
  | 'RegistrationStatusWrite';

/** A shared access policy of the DPS. */
export interface ServicePolicyRecord {
  name: string;
  rights: readonly ServiceRight[];
  /** Base64. */
  primaryKey: string;
  secondaryKey: string;
}

/** What DPS keeps of a device: its state, and the one operation a device may ask for (the latest). */
export interface RegistrationRecord {
  state: RegistrationState;
  /** Where the device was assigned last; it outlives registrations that fail. */
  place?: { hub: string; deviceId: string };
  operationId: string;
  /** Of the certificate that was issued for this operation; see RegistrationState. */
  issuedCertificateChain?: readonly string[];
  /** Of the enrolment, as it was then. */
  trustBundleId?: string;
}

/**
 * How a device or module proves itself to its hub. Keys are base64, thumbprints SHA-256 or SHA-1 in upper-case hexadecimal without colons;
 * `certificateAuthority`: by a leaf under a CA whose possession was proved to the hub.
 */
export type DeviceAuthentication =
  | { type: 'sas'; primaryKey: string; secondaryKey: string }
  | { type: 'selfSigned'; primaryThumbprint: string; secondaryThumbprint: string }
  | { type: 'certificateAuthority' };

/** An entry of a hub's registry. */
export interface DeviceRecord {
  deviceId: string;
  /** Changes when a device is removed and made again. */
  generationId: string;
  etag: string;
  authentication: DeviceAuthentication;
  capabilities: { iotEdge: boolean };
  /** Absent: enabled. */
  status?: 'disabled';
  statusReason?: string;
  /** UTC, ISO 8601; absent: never changed. */
  statusUpdated?: string;
  /** QoS of the subscription to its messages that is kept for its next MQTT connection; absent: none. */
  messageSubscription?: 0 | 1;
}

/** A module of a device: an identity of its own within it. */
export interface ModuleRecord {
  deviceId: string;
  moduleId: string;
  generationId: string;
  etag: string;
  authentication: DeviceAuthentication;
  /** Who made it: `IotEdge`, or whoever says so. */
  managedBy?: string;
}

/** A cloud-to-device message that waits for its device. Times are milliseconds since 1970. */
export interface QueuedMessage {
  /** Rises within the queue. */
  sequence: number;
  enqueued: number;
  expires: number;
  /** How often it was abandoned. */
  deliveryCount: number;
  ack: 'none' | 'positive' | 'negative' | 'full';
  /** Base64. */
  body: string;
  /** System properties by their names in AMQP, e.g. `message_id`; `to` is always there. */
  system: Readonly<Record<string, string>>;
  /** Application properties. */
  properties: Readonly<Record<string, string>>;
}

/** The messages that wait for one device, oldest first. */
export interface QueueRecord {
  deviceId: string;
  nextSequence: number;
  messages: readonly QueuedMessage[];
}

/** What became of a message whose sender wanted to know. */
export interface FeedbackRecord {
  originalMessageId: string;
  /** UTC, ISO 8601: when it became of it. */
  enqueuedTimeUtc: string;
  statusCode: 'Success' | 'Expired' | 'DeliveryCountExceeded' | 'Rejected' | 'Purged';
  description: string;
  deviceId: string;
  deviceGenerationId: string;
}

/** An automatic device configuration: what is laid over the desired properties of the twins that its condition finds. */
export interface ConfigurationRecord {
  id: string;
  etag: string;
  content: { deviceContent?: JsonObject; moduleContent?: JsonObject; modulesContent?: JsonObject };
  /** The part of a query behind WHERE; `*` finds all. Empty: applied to nobody. */
  targetCondition: string;
  /** The highest wins; among equals the one made last. */
  priority: number;
  labels: Readonly<Record<string, string>>;
  metrics: { queries: Readonly<Record<string, string>> };
  /** UTC, ISO 8601. */
  created: string;
  updated: string;
}

/** When something in a section of a twin was written, and which version of the section that made. */
export interface Stamp {
  /** UTC, ISO 8601. */
  at: string;
  version: number;
}

/** When the properties of a section were written. */
export type PropertyTimes = { readonly [name: string]: PropertyTime };

/** Without `of`, all that is in the property was written with it. */
export interface PropertyTime extends Stamp {
  of?: PropertyTimes;
}

/** A twin's sections with their versions. */
export interface TwinRecord {
  deviceId: string;
  /** Of a module's twin. */
  moduleId?: string;
  etag: string;
  /** Rises with tags and desired properties. */
  version: number;
  tags: JsonObject;
  desired: JsonObject;
  desiredVersion: number;
  reported: JsonObject;
  reportedVersion: number;
  /** UTC, ISO 8601: when the section was last written; absent: at an unknown time. */
  desiredUpdated?: string;
  reportedUpdated?: string;
  /** When single properties were written, where that was before the section was. */
  desiredTimes?: PropertyTimes;
  reportedTimes?: PropertyTimes;
  /** Automatic configurations that target the twin, by id. */
  configurations?: Readonly<Record<string, { status: 'Applied' | 'Targeted' }>>;
}

/** The CA of the listeners' certificates, and other pairs of keys that sign. */
export interface AuthorityRecord {
  /** PEM; of a pair without a certificate the public key, SPKI. */
  certificate: string;
  /** PEM, PKCS#8. */
  privateKey: string;
}

/** Who may sign in to the resource manager. */
export interface PrincipalRecord {
  clientId: string;
  secret: string;
}

/**
 * Everything the local cloud knows. What belongs to a DPS has its name before the key; {@link serviceStore} shows the part of one DPS, by the keys
 * that are told here.
 */
export interface Store {
  /** By canonical registration id. */
  readonly individuals: Table<IndividualEnrolment>;
  /** By enrolment group id. */
  readonly groups: Table<EnrolmentGroup>;
  /** By name. */
  readonly certificates: Table<CertificateRecord>;
  /** By canonical registration id. */
  readonly registrations: Table<RegistrationRecord>;
  /** Of the DPS, by name. */
  readonly policies: Table<ServicePolicyRecord>;
  /** By host name. */
  readonly hubs: Table<HubRecord>;
  /** Hubs that were taken away, by host name: a start does not make them anew. */
  readonly removedHubs: Table<RemovedHubRecord>;
  /** Resource groups, by {@link groupKey}. */
  readonly resourceGroups: Table<GroupRecord>;
  /** Hubs linked to DPS, by host name. */
  readonly links: Table<LinkRecord>;
  /** One record, under {@link SERVICE_KEY}. */
  readonly service: Table<ServiceRecord>;
  /** Of the resource manager, by client id. */
  readonly principals: Table<PrincipalRecord>;
  /** Of the listeners under {@link SERVICE_KEY}; those of issued certificates under `issuance`, of access tokens under `tokens`. */
  readonly authority: Table<AuthorityRecord>;
  /** By {@link deviceKey}. */
  readonly devices: Table<DeviceRecord>;
  /** By {@link deviceKey}. */
  readonly twins: Table<TwinRecord>;
  /** By {@link moduleKey}. */
  readonly modules: Table<ModuleRecord>;
  /** By {@link moduleKey}. */
  readonly moduleTwins: Table<TwinRecord>;
  /** Cloud-to-device messages, by {@link deviceKey}. */
  readonly queues: Table<QueueRecord>;
  /** By host name of the hub, a slash, and the order they came in. */
  readonly feedback: Table<FeedbackRecord>;
  /** By host name of the hub, a slash and the id. */
  readonly configurations: Table<ConfigurationRecord>;
  /** CA certificates uploaded to hubs, by host name of the hub, a slash and the name. */
  readonly hubCertificates: Table<CertificateRecord>;
  readonly attempts: AttemptLog;
  /**
   * Writes much as one step: all that `work` writes through the store it is given is kept together, or nothing of it when `work` throws. Others
   * wait meanwhile; `work` must not wait for them, nor use any other store than its own.
   */
  together<R>(work: (store: Tables) => Promise<R>): Promise<R>;
  close(): Promise<void>;
}

/** The tables of a store. */
export type Tables = Omit<Store, 'together' | 'close' | 'attempts'>;

/** Key of the one record of DPS's own settings. */
export const SERVICE_KEY = 'dps';

/** Key of a resource group: names ignore case. */
export function groupKey(subscription: string, name: string): string {
  return `${subscription}/${name}`.toLowerCase();
}

/** Key of a device's records: host names hold no slash, device ids may hold anything else and are case-sensitive. */
export function deviceKey(hub: string, deviceId: string): string {
  return `${hub}/${deviceId}`;
}

/** Key of a module's records; a device id holds no slash. */
export function moduleKey(hub: string, deviceId: string, moduleId: string): string {
  return `${hub}/${deviceId}/${moduleId}`;
}

/** The enrolment group that let a registration in: registrations are found by it. `undefined` for an individual enrolment. */
export function groupOf({ state }: RegistrationRecord): string | undefined {
  return state.x509?.enrollmentGroupId ?? state.symmetricKey?.enrollmentGroupId;
}
