import { EventEmitter } from 'node:events';
import type { Server } from 'node:tls';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { canonicalRegistrationId, GLOBAL_DPS_HOST } from '@zerotouch/azure-wire/ids';
import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { pino } from 'pino';
import { type EnrolmentService, enrolmentService } from './api/dps-service.js';
import { type HubService, hubService } from './api/hub-service.js';
import { keepPolicies, serviceConnectionString } from './api/service/policies.js';
import { dpsService } from './api/service/service.js';
import type { Behaviour } from './behaviours/behaviour.js';
import { Behaviours } from './behaviours/behaviours.js';
import { AmqpConnection } from './doors/amqp/connection.js';
import { amqpReceptionist } from './doors/amqp/dps-service.js';
import { makeServerAuthority, makeServerIdentity, type ServerAuthority } from './doors/authority.js';
import { type Channel, plainChannel } from './doors/channel.js';
import { deviceApi } from './doors/http/device-api.js';
import { HttpsFront } from './doors/https.js';
import { Listener, tlsServer, tlsSettings } from './doors/listener.js';
import { MqttConnection } from './doors/mqtt/connection.js';
import { mqttReceptionist } from './doors/mqtt/mqtt.js';
import { Sweep } from './doors/sweep.js';
import { webSocketUpgrade } from './doors/websocket.js';
import type { CertificateService } from './dps/authorities.js';
import { Dps } from './dps/dps.js';
import { type Edge, edgeList, edgesOf } from './dps/edges.js';
import { Enrolments } from './dps/enrolments.js';
import { type ImportSummary, importEnrolments } from './dps/import.js';
import { Issuance } from './dps/issuance.js';
import { type LinkedHubs, Links } from './dps/links.js';
import { Throttle } from './dps/throttle.js';
import { trustBundles } from './dps/trust-bundles.js';
import type { CloudEvents } from './events.js';
import { CloudFault } from './faults.js';
import { HubPark, type HubsAdmin } from './hub/park.js';
import { Journal } from './journal.js';
import { limitValues } from './limits.js';
import { type HubAddress, hubAddress } from './linked-hubs.js';
import { type CloudOptions, type CloudSettings, cloudSettings } from './options.js';
import type { Attempt } from './reasons.js';
import { memoryStore } from './store/memory.js';
import { sqliteStore } from './store/sqlite/sqlite.js';
import { type CloudState, exportState, importState } from './store/state.js';
import { SERVICE_KEY, type Store } from './store/store.js';
import { tpmWrapper } from './tpm/wrap.js';

export type { CertificateUpload, EnrolmentService } from './api/dps-service.js';
export type { HubDevice, HubService, HubTwin } from './api/hub-service.js';
export type { ServicePolicy } from './api/service/policies.js';
export type { Behaviour, DpsCall, HubCall, Means } from './behaviours/behaviour.js';
export {
  type DpsErrorName,
  droppedAfterRegister,
  flaky,
  only,
  refuse,
  refuseAtHub,
  slow,
  throttled,
  times,
  wrongClock,
} from './behaviours/library.js';
export type { CertificateService, CertificateView } from './dps/authorities.js';
export type { Edge } from './dps/edges.js';
export type { ImportSummary } from './dps/import.js';
export type { Latencies } from './dps/latency.js';
export type { LinkedHub, LinkedHubs, LinkSettings } from './dps/links.js';
export type { TrustBundleSpec } from './dps/trust-bundles.js';
export type { CloudEvents } from './events.js';
export type { HubsAdmin } from './hub/park.js';
export type { LimitOption, LimitValues } from './limits.js';
export { azureLimits } from './limits.js';
export type { HubAddress } from './linked-hubs.js';
export type { CloudOptions, HubSpec } from './options.js';
export type { Attempt, Reason } from './reasons.js';
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
  /** The hubs that exist, linked or not, as they are now. */
  readonly hubs: readonly HubAddress[];
  /** The hubs that DPS assigns devices to, and its default allocation policy. */
  readonly linkedHubs: LinkedHubs;
  /** Makes, changes and removes hubs. */
  readonly hubsAdmin: HubsAdmin;
  /** Certificate of the CA that signed the listener's certificate, PEM: what a device must trust. */
  readonly ca: string;
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
 * @throws CloudFault BAD_OPTIONS, PORT_IN_USE, STORE_UNUSABLE, STORE_VERSION, STATE_INVALID
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
  const { entropy = systemEntropy, log = pino({ level: 'silent' }), policies = [] } = options;
  const {
    host,
    mqttPort,
    amqpPort,
    httpsPort,
    idScope,
    hubs: specs,
    retryAfterSeconds,
    connectTimeoutSeconds,
    webhookTimeoutSeconds,
  } = settings;
  const limits = limitValues(options.limits);
  const edges = edgesOf(options.regions);
  const behaviours = new Behaviours({ clock: options.clock ?? systemClock, entropy, active: options.behaviours ?? [] });
  const { clock } = behaviours;
  const events = new EventEmitter<CloudEvents>();
  const journal = new Journal({ attempts: store.attempts, events, clock, log });
  const park = new HubPark({ store, clock, entropy, journal, limits, behaviours });
  const links = new Links({ store, entropy, limits });
  await links.linkOwn((await park.open(specs)).map(hubAddress));
  const hubs = park.running;
  const throttle = new Throttle({ limits, clock });
  const dps = new Dps({
    idScope,
    retryAfter: retryAfterSeconds,
    store,
    hubs,
    clock,
    entropy,
    journal,
    limits,
    throttle,
    latencies: options.latencies ?? {},
    edges,
    webhook: { timeoutMs: webhookTimeoutSeconds * 1000, ca: options.webhookCa },
    challengeSecret: await links.challengeSecret(),
    issuance: new Issuance({ store, clock, entropy }),
    trustBundles: trustBundles(options.trustBundles ?? [], clock.now()),
    wrapForTpm: tpmWrapper(entropy),
    behaviours,
  });
  const enrolments = new Enrolments({ store, clock, entropy, limits });
  const owner = await keepPolicies(policies, store, entropy);

  const identity = await makeServerIdentity(
    [GLOBAL_DPS_HOST, '*.azure-devices-provisioning.net', '*.azure-devices.net', ...hubs.keys(), 'localhost'],
    edges.keys(),
    await keptAuthority(store),
  );
  const receive = mqttReceptionist({ dps, hubs, journal });
  const sweep = new Sweep(clock);
  const connectTimeout = connectTimeoutSeconds * 1000;
  const speakMqtt = (channel: Channel) =>
    sweep.add(new MqttConnection({ channel, receive, clock, log, connectTimeout, onClosed: (connection) => sweep.delete(connection) }));
  const greet = amqpReceptionist({ dps, clock, entropy });
  const speakAmqp = (channel: Channel) =>
    sweep.add(
      new AmqpConnection({ channel, receive: greet, clock, log, connectTimeout, onClosed: (connection) => sweep.delete(connection) }),
    );
  const https = new HttpsFront({ identity, requestTimeout: connectTimeout, log });
  https.mount(dpsService({ store, enrolments, clock, entropy, log, throttle }));
  https.mount(deviceApi({ dps, clock, entropy, log }));
  const subprotocols = new Map([
    ['mqtt', speakMqtt],
    ['amqpwsb10', speakAmqp],
  ]);
  https.mountUpgrade(webSocketUpgrade(subprotocols, log));
  const listeners: Listener[] = [];
  const open = async (server: Server, port: number): Promise<number> => {
    const listener = await Listener.open({ server, host, port, edges: edges.keys(), log });
    listeners.push(listener);
    return listener.port;
  };
  const close = async (): Promise<void> => {
    behaviours.close();
    await Promise.all([...listeners.map((listener) => listener.close()), sweep.close(), dps.close()]);
    await store.close();
  };
  let ports: { mqttPort: number; amqpPort: number; httpsPort: number };
  try {
    ports = {
      mqttPort: await open(
        tlsServer(tlsSettings(identity, connectTimeout), (socket) => speakMqtt(plainChannel(socket)), log),
        mqttPort,
      ),
      amqpPort: await open(
        tlsServer(tlsSettings(identity, connectTimeout), (socket) => speakAmqp(plainChannel(socket)), log),
        amqpPort,
      ),
      httpsPort: await open(https.server, httpsPort),
    };
  } catch (error) {
    await close();
    throw error;
  }

  return {
    dps: {
      host: GLOBAL_DPS_HOST,
      ...ports,
      idScope,
      edges: edgeList(edges, listeners[0]?.edges),
      serviceConnectionString: serviceConnectionString(`localhost:${ports.httpsPort}`, owner),
    },
    get hubs() {
      return park.list();
    },
    linkedHubs: links,
    hubsAdmin: park,
    ca: identity.ca,
    certificates: enrolments.authorities,
    enrolments: enrolmentService(store, enrolments),
    events,
    import: (file) => importEnrolments(file, { store, enrolments, idScope }),
    registrations: async () => structuredClone((await store.registrations.list()).map(({ state }) => state)),
    deleteRegistration: (registrationId) => store.registrations.delete(canonicalRegistrationId(registrationId)),
    attempts: async (registrationId) => structuredClone(await store.attempts.list(canonicalRegistrationId(registrationId))),
    hub(name) {
      const found = hubs.get(name.toLowerCase());
      if (found !== undefined) return hubService(found);
      throw new CloudFault('UNKNOWN_HUB', 'no hub of this name runs here', {
        seen: name,
        expected: `one of ${[...hubs.keys()].join(', ')}`,
      });
    },
    exportState: () => exportState(store),
    use: (behaviour) => behaviours.use(behaviour),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The CA of a cloud: its devices trust it again after a restart. */
async function keptAuthority({ authority }: Store): Promise<ServerAuthority> {
  const fresh = (await authority.get(SERVICE_KEY)) ?? (await makeServerAuthority());
  return authority.update(SERVICE_KEY, (current) => current ?? fresh);
}
