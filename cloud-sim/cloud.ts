import type { EventEmitter } from 'node:events';
import type { EnrolmentFile, EnrolmentGroup, IndividualEnrolment, ProvedCertificate } from '@zerotouch/azure-wire/enrolment';
import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { CloudEvents } from './events.js';
import type { CloudOptions, HubSpec } from './options.js';
import type { Attempt } from './reasons.js';

/** What {@link Cloud.import} did; one count of each enrolment (group or individual). */
export interface ImportSummary {
  batch: string;
  /** CA certificates whose proof of possession was verified. */
  certificates: number;
  created: number;
  updated: number;
  unchanged: number;
}

/** A CA certificate for {@link EnrolmentService.putCertificate}; without `verification` it stays unproved. */
export type CertificateUpload = Omit<ProvedCertificate, 'verification'> & Partial<Pick<ProvedCertificate, 'verification'>>;

/** The enrolments of the local DPS, in Azure's shape. Keys that a symmetric-key enrolment leaves out are generated. */
export interface EnrolmentService {
  putGroup(group: EnrolmentGroup): Promise<EnrolmentGroup>;
  putIndividual(enrolment: IndividualEnrolment): Promise<IndividualEnrolment>;
  getGroup(enrollmentGroupId: string): Promise<EnrolmentGroup | undefined>;
  getIndividual(registrationId: string): Promise<IndividualEnrolment | undefined>;
  groups(): Promise<EnrolmentGroup[]>;
  individuals(): Promise<IndividualEnrolment[]>;
  /** @returns whether there was one */
  deleteGroup(enrollmentGroupId: string): Promise<boolean>;
  deleteIndividual(registrationId: string): Promise<boolean>;
  /** @throws CloudFault CERTIFICATE_UNPROVED when there is a verification and it proves nothing */
  putCertificate(certificate: CertificateUpload): Promise<void>;
  deleteCertificate(name: string): Promise<boolean>;
}

/** A device in a hub's registry. */
export interface HubDevice {
  deviceId: string;
  generationId: string;
  etag: string;
  authentication: 'sas' | 'selfSigned';
  connectionState: 'Connected' | 'Disconnected';
  capabilities: { iotEdge: boolean };
}

/** A twin as a service reads it. */
export interface HubTwin {
  deviceId: string;
  etag: string;
  /** Rises with tags and desired properties. */
  version: number;
  tags: JsonObject;
  properties: { desired: JsonObject & { $version: number }; reported: JsonObject & { $version: number } };
}

/** What an operator does at one hub. */
export interface HubService {
  readonly host: string;
  devices(): Promise<HubDevice[]>;
  /** @throws CloudFault UNKNOWN_DEVICE */
  twin(deviceId: string): Promise<HubTwin>;
  /**
   * Lays a patch over the desired properties (null removes) and pushes it to the device if it is connected and listens.
   * @returns the new `$version`
   * @throws CloudFault UNKNOWN_DEVICE, TWIN_LIMIT
   */
  updateDesired(deviceId: string, patch: JsonObject): Promise<number>;
  /** Drops the device's connections, as a network would. @returns how many there were */
  disconnect(deviceId: string): Promise<number>;
}

/** A hub and how a service reaches it. */
export interface HubAddress extends HubSpec {
  /** Of the policy `iothubowner`: a secret. */
  connectionString: string;
}

/** A running local Azure. */
export interface Cloud extends AsyncDisposable {
  readonly dps: { readonly host: string; readonly mqttPort: number; readonly idScope: string };
  readonly hubs: readonly HubAddress[];
  /** Certificate of the CA that signed the listener's certificate, PEM: what a device must trust. */
  readonly ca: string;
  readonly enrolments: EnrolmentService;
  readonly events: EventEmitter<CloudEvents>;
  /**
   * Takes the enrolments and CA certificates of a burnt batch: all of them, or none when any is refused.
   * @throws CloudFault BAD_ENROLMENT, ID_SCOPE_MISMATCH, CERTIFICATE_UNPROVED, CERTIFICATE_UNKNOWN, CERTIFICATE_UNREADABLE, NOT_SERVED
   */
  import(file: EnrolmentFile): Promise<ImportSummary>;
  /** Every registration that DPS keeps, assigned and failed. */
  registrations(): Promise<RegistrationState[]>;
  /** What a device tried at DPS and at its hub, oldest first, with the real reasons. Only the latest are kept. */
  attempts(registrationId: string): Promise<Attempt[]>;
  /** @throws CloudFault UNKNOWN_HUB */
  hub(host: string): HubService;
  /** Ends every connection and stops listening; resolves when all is closed. May be called again. */
  close(): Promise<void>;
}

/**
 * Starts a local Azure for devices: DPS and IoT hubs behind one TLS listener.
 * @throws CloudFault BAD_OPTIONS, PORT_IN_USE
 */
export declare function startCloud(options?: CloudOptions): Promise<Cloud>;
