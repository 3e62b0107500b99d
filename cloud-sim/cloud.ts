import type { EventEmitter } from 'node:events';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { canonicalRegistrationId, GLOBAL_DPS_HOST } from '@zerotouch/azure-wire/ids';
import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import { TENANT } from './api/arm/tokens.js';
import { type EnrolmentService, enrolmentService } from './api/dps-service.js';
import { type HubService, hubService } from './api/hub-service.js';
import type { Behaviour } from './behaviours/behaviour.js';
import { openDoors } from './doors/doors.js';
import type { FrontView } from './doors/fronts/fronts.js';
import type { CertificateService } from './dps/authorities.js';
import type { Edge } from './dps/edges.js';
import { type ImportSummary, importEnrolments } from './dps/import.js';
import type { LinkedHubs } from './dps/links.js';
import { serviceConnectionString } from './dps/policies.js';
import type { CloudEvents } from './events.js';
import { CloudFault } from './faults.js';
import type { HubsAdmin } from './hub/park.js';
import type { HubAddress } from './linked-hubs.js';
import { type CloudOptions, type CloudSettings, cloudSettings } from './options.js';
import type { Attempt } from './reasons.js';
import { makeServices } from './services.js';
import { memoryStore } from './store/memory.js';
import { type Paged, type PageWish, pageOf } from './store/paged.js';
import { sqliteStore } from './store/sqlite/sqlite.js';
import { type CloudState, exportState, importState } from './store/state.js';
import type { Store } from './store/store.js';

export type { CertificateUpload, EnrolmentService } from './api/dps-service.js';
export type { HubDevice, HubService, HubTwin } from './api/hub-service.js';
export type { Behaviour, DpsCall, HubCall, Means } from './behaviours/behaviour.js';
export * from './behaviours/library.js';
export type { FrontView } from './doors/fronts/fronts.js';
export type { CertificateService, CertificateView } from './dps/authorities.js';
export type { Edge } from './dps/edges.js';
export type { ImportSummary } from './dps/import.js';
export type { Latencies } from './dps/latency.js';
export type { LinkedHub, LinkedHubs, LinkSettings } from './dps/links.js';
export type { ServicePolicy } from './dps/policies.js';
export type { TrustBundleSpec } from './dps/trust-bundles.js';
export type { CloudEvents } from './events.js';
export type { HubsAdmin } from './hub/park.js';
export type { LimitOption, LimitValues } from './limits.js';
export { azureLimits } from './limits.js';
export type { HubAddress } from './linked-hubs.js';
export type { CloudOptions, HubSpec } from './options.js';
export type { Attempt, Reason } from './reasons.js';
export type { Paged, PageWish } from './store/paged.js';
export type { CloudState } from './store/state.js';

/** A running local Azure. */
export interface Cloud extends AsyncDisposable {
  readonly dps: {
    readonly host: string;
    readonly mqttPort: number;
    readonly amqpPort: number;
    readonly httpsPort: number;
    readonly idScope: string;
    /** Where a device reaches DPS and hubs in a region, by the same ports. */
    readonly edges: readonly Edge[];
    /** Of the policy `provisioningserviceowner`, with `localhost` and the HTTPS port as host: a secret. */
    readonly serviceConnectionString: string;
  };
  /** Azure's resource manager, where `az` and the management packages work; and how to sign in there. */
  readonly arm: {
    /** Its origin, `https://localhost:PORT`; authority of the sign-in: `/adfs` there. */
    readonly endpoint: string;
    readonly tenant: string;
    readonly clientId: string;
    /** A secret. */
    readonly clientSecret: string;
  };
  /** The hubs that exist, linked or not, as they are now. */
  readonly hubs: readonly HubAddress[];
  /** The hubs that DPS assigns devices to, and its default allocation policy. */
  readonly linkedHubs: LinkedHubs;
  /** Makes, changes and removes hubs. */
  readonly hubsAdmin: HubsAdmin;
  /** Certificate of the CA that signed the listener's certificate, PEM: what a device must trust. */
  readonly ca: string;
  /** The processes that do TLS (option `workers`) as they are now; one that dies is replaced. */
  readonly fronts: readonly FrontView[];
  readonly enrolments: EnrolmentService;
  /** CA certificates and their proof of possession. */
  readonly certificates: CertificateService;
  readonly events: EventEmitter<CloudEvents>;
  /**
   * Takes the enrolments and CA certificates of a burnt batch: all of them, or none when any is refused.
   * @throws CloudFault BAD_ENROLMENT, ID_SCOPE_MISMATCH, CERTIFICATE_UNPROVED, CERTIFICATE_UNKNOWN, CERTIFICATE_UNREADABLE, NOT_SERVED
   */
  import(file: EnrolmentFile): Promise<ImportSummary>;
  /** Every registration that DPS keeps, assigned and failed. */
  registrations(): Promise<RegistrationState[]>;
  /** The same, a page at a time, those of one enrolment group if one is named. */
  registrationsPage(wish: PageWish & { enrolmentGroup?: string | undefined }): Promise<Paged<RegistrationState>>;
  /** Forgets a registration; the device stays at its hub. @returns whether there was one */
  deleteRegistration(registrationId: string): Promise<boolean>;
  /** What a device tried at DPS and at its hub, oldest first, with the real reasons. Only the latest are kept. */
  attempts(registrationId: string): Promise<Attempt[]>;
  /** @throws CloudFault UNKNOWN_HUB */
  hub(host: string): HubService;
  /**
   * Everything that this cloud knows, but the attempts, as JSON for `startCloud({ state })`: that cloud has the same CA, keys and devices. It
   * holds secrets.
   */
  exportState(): Promise<CloudState>;
  /** Plugs a behaviour in, for a test of yours; what it returns plugs it out when it is disposed of. */
  use(behaviour: Behaviour): Disposable;
  /** Ends every connection and stops listening; resolves when all is closed. May be called again. */
  close(): Promise<void>;
}

/**
 * Starts a local Azure for devices: DPS and IoT hubs behind one TLS listener.
 * @throws CloudFault BAD_OPTIONS, PORT_IN_USE, FRONT_FAILED, STORE_UNUSABLE, STORE_VERSION, STATE_INVALID
 */
export async function startCloud(options: CloudOptions = {}): Promise<Cloud> {
  const settings = cloudSettings(options);
  const store = settings.data === undefined ? memoryStore() : await sqliteStore(settings.data);
  try {
    if (options.state !== undefined) await importState(store, options.state);
    return await startOver(store, options, settings);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function startOver(store: Store, options: CloudOptions, settings: CloudSettings): Promise<Cloud> {
  const services = await makeServices(store, options, settings);
  const { behaviours, dps, events, first, operator, owner, park } = services;
  const { enrolments, links, store: own } = first;
  const end = (): Promise<unknown> => {
    behaviours.close();
    park.close();
    return dps.close();
  };
  const doors = await openDoors(services, settings).catch(async (error: unknown) => {
    await end();
    throw error;
  });
  const close = async (): Promise<void> => {
    await Promise.all([end(), doors.close()]);
    await store.close();
  };

  return {
    dps: {
      host: GLOBAL_DPS_HOST,
      ...doors.ports,
      idScope: settings.idScope,
      edges: doors.edges,
      serviceConnectionString: serviceConnectionString(`localhost:${doors.ports.httpsPort}`, owner),
    },
    arm: {
      endpoint: `https://localhost:${doors.ports.httpsPort}`,
      tenant: TENANT,
      clientId: operator.clientId,
      clientSecret: operator.secret,
    },
    get hubs() {
      return park.list();
    },
    linkedHubs: links,
    hubsAdmin: park,
    ca: doors.ca,
    get fronts() {
      return doors.fronts();
    },
    certificates: enrolments.authorities,
    enrolments: enrolmentService(own, enrolments),
    events,
    import: (file) => importEnrolments(file, { store: own, enrolments, idScope: settings.idScope }),
    registrations: async () => structuredClone((await own.registrations.list()).map(({ state }) => state)),
    registrationsPage: async ({ enrolmentGroup, startsWith, ...wish }) => {
      const canonical = startsWith === undefined ? undefined : canonicalRegistrationId(startsWith);
      const { items, next } = await pageOf(own.registrations, { ...wish, startsWith: canonical, group: enrolmentGroup });
      return { items: structuredClone(items.map(({ state }) => state)), next };
    },
    deleteRegistration: (registrationId) => own.registrations.delete(canonicalRegistrationId(registrationId)),
    attempts: async (registrationId) => structuredClone(await store.attempts.list(canonicalRegistrationId(registrationId))),
    hub(name) {
      const found = park.running.get(name.toLowerCase());
      if (found !== undefined) return hubService(found);
      throw new CloudFault('UNKNOWN_HUB', 'no hub of this name runs here', {
        seen: name,
        expected: `one of ${[...park.running.keys()].join(', ')}`,
      });
    },
    exportState: () => exportState(store),
    use: (behaviour) => behaviours.use(behaviour),
    close,
    [Symbol.asyncDispose]: close,
  };
}
