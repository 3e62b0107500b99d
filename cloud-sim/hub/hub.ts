import type { InitialTwin } from '@zerotouch/azure-wire/enrolment';
import { httpStatusOf, hubErrors } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Behaviours } from '../behaviours/behaviours.js';
import { readCertificate } from '../certificates.js';
import { type PresentedCertificate, readCredential } from '../credentials.js';
import { Authorities } from '../dps/authorities.js';
import type { Journal } from '../journal.js';
import type { LimitValues } from '../limits.js';
import { difference } from '../nearest.js';
import type { Reason, Transport, WireAnswer } from '../reasons.js';
import { OwnPart, placeOf } from '../store/service-store.js';
import type { CertificateRecord, DeviceRecord, HubRecord, ModuleRecord, Store, Table, TwinRecord } from '../store/store.js';
import { Configurations } from './configurations.js';
import type { Presence } from './documents.js';
import { EventStream } from './event-stream.js';
import { Feedback } from './feedback.js';
import { type Identity, identityKey, identityName } from './identity.js';
import { Lines } from './lines.js';
import { messageSettings } from './message-settings.js';
import { type MessageProblem, Messages, type OutgoingMessage } from './messages.js';
import { Methods } from './methods.js';
import { TwinRow } from './query/rows.js';
import type { QueryGround } from './query/run.js';
import { type NewDevice, type NewModule, Registry } from './registry.js';
import { HubSession } from './session.js';
import { judgeSignIn } from './sign-in.js';
import { Takeovers } from './takeovers.js';
import { HubThrottle } from './throttle.js';
import { type TwinChange, Twins, type TwinWrite } from './twins.js';

/** A device at the hub's door, whatever the protocol. */
export interface Arrival {
  transport: Transport;
  deviceId: string;
  moduleId: string | undefined;
  apiVersion: string | undefined;
  /** The id the protocol carries besides the name, if it has one. */
  clientId: string | undefined;
  /** What came as password, a SAS token. */
  password: string | undefined;
  certificate: PresentedCertificate | undefined;
}

/** Let in, with the session and its end (milliseconds since 1970); or kept out, and why, and for how long where that is known. */
export type Opened = { session: HubSession; expiresAt: number | undefined } | { reason: Reason; retryAfterSeconds?: number };

/** One IoT hub. */
export class Hub {
  readonly host: string;
  readonly registry: Registry;
  readonly twins: Twins;
  readonly lines: Lines;
  readonly methods: Methods;
  readonly messages: Messages;
  readonly feedback: Feedback;
  /** What devices send. */
  readonly events = new EventStream();
  readonly configurations: Configurations;
  /** CA certificates of devices that sign in by one, and their proof of possession. */
  readonly authorities: Authorities;
  readonly throttle: HubThrottle;
  #record: HubRecord;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly entropy: Entropy;
  readonly #journal: Journal;
  readonly #behaviours: Behaviours | undefined;
  readonly #takeovers: Takeovers;
  readonly #certificates: Table<CertificateRecord>;

  constructor({ record, store, clock, entropy, journal, behaviours, limits }: HubParts) {
    const hub = record.host;
    this.host = hub;
    this.#record = record;
    this.#store = store;
    this.#clock = clock;
    this.entropy = entropy;
    this.#journal = journal;
    this.#behaviours = behaviours;
    this.registry = new Registry({ store, hub, clock, entropy, limit: limits.devicesPerHub });
    this.twins = new Twins({ store, hub, clock });
    this.#takeovers = new Takeovers(clock);
    this.lines = new Lines({
      hub,
      journal,
      now: () => clock.now(),
      onReplaced: (identity, transport) => this.#replaced(identity, transport),
    });
    this.methods = new Methods({ lines: this.lines, clock, entropy });
    this.feedback = new Feedback({ hub, store, clock });
    this.messages = new Messages({
      ...{ hub, store, clock, entropy, feedback: this.feedback },
      settings: () => messageSettings(this.#record),
    });
    this.#certificates = new OwnPart(store.hubCertificates, `${hub}/`);
    this.authorities = new Authorities({ store: { certificates: this.#certificates }, clock, entropy, limits });
    this.throttle = new HubThrottle({ clock, factor: limits.hubRateFactor, purchase: () => this.#record });
    this.configurations = new Configurations({
      hub,
      store,
      clock,
      entropy,
      ground: this.queryGround,
      changeDesired: (identity, patch) => this.changeDesired(identity, patch),
      target: (identity, configurations) => this.twins.target(identity, configurations),
    });
  }

  /** What the cloud knows of this hub. */
  get record(): HubRecord {
    return this.#record;
  }

  /** From now on these are its policies. */
  renew(record: HubRecord): void {
    this.#record = record;
  }

  /** What a query over this hub's twins looks at. */
  get queryGround(): QueryGround {
    return { hub: this.host, store: this.#store, presence: (identity) => this.presence(identity) };
  }

  /** What is shown of a device besides its records. */
  presence({ deviceId, moduleId }: Identity): Presence {
    const messages = moduleId === undefined ? this.messages.depth(deviceId) : 0;
    return { activity: this.lines.activity({ deviceId, moduleId }), messages };
  }

  /**
   * Judges an arrival.
   * @param wireOf what the caller's protocol will answer to a refusal for this reason, and to a welcome
   */
  async open(arrival: Arrival, wireOf: (reason: Reason | undefined) => WireAnswer): Promise<Opened> {
    const { deviceId, transport } = arrival;
    const serve = (): Promise<Opened> => this.#judge(arrival);
    const opened = await (this.#behaviours?.hub({ service: 'hub', host: this.host, deviceId, transport }, serve) ?? serve());
    const refused = 'reason' in opened;
    const reason: Reason = refused ? opened.reason : { rule: 'signed-in', text: `${identityName(arrival)} signed in` };
    await this.#journal.attempt({
      service: 'hub',
      host: this.host,
      transport: arrival.transport,
      id: arrival.deviceId,
      outcome: refused ? 'refused' : 'signed-in',
      wire: wireOf(refused ? reason : undefined),
      reason,
    });
    return opened;
  }

  /** Makes a device, with its twin, and lays over it what configurations say. */
  async admit(device: NewDevice, start: InitialTwin | TwinRecord): Promise<DeviceRecord> {
    const record = await this.registry.create(device, start);
    await this.#configure(device, 'tags');
    return record;
  }

  /** Takes a device away; its connections end, and what waits for it is gone. @returns the twin it had */
  async release(deviceId: string): Promise<TwinRecord | undefined> {
    const twin = await this.registry.remove(deviceId);
    await this.departed(deviceId);
    return twin;
  }

  /** A device has come by a move: lays over it what configurations say. */
  async arrived(device: Identity): Promise<void> {
    await this.#configure(device, 'tags');
  }

  /** A device has gone by a move: its connections end, and what waits for it is gone. */
  async departed(deviceId: string): Promise<void> {
    await this.messages.forget(deviceId);
    this.lines.drop({ deviceId }, 'the device was removed from the hub');
  }

  /** Changes a device's record; connections that it would not be let in by any more end. */
  async changeDevice(deviceId: string, change: (current: DeviceRecord) => DeviceRecord): Promise<DeviceRecord | undefined> {
    const changed = await this.registry.change(deviceId, change);
    if (changed?.status === 'disabled') this.lines.drop({ deviceId }, 'the device was disabled');
    return changed;
  }

  /** Makes a module or changes one. */
  putModule(module: NewModule): Promise<ModuleRecord> {
    return this.registry.putModule(module);
  }

  /** Takes a module away; its connection ends. @returns whether there was one */
  async removeModule(deviceId: string, moduleId: string): Promise<boolean> {
    const existed = await this.registry.removeModule(deviceId, moduleId);
    this.lines.drop({ deviceId, moduleId }, 'the module was removed from the hub');
    return existed;
  }

  /** Changes desired properties, and pushes the change to the device if it listens. */
  changeDesired(identity: Identity, patch: JsonObject): Promise<TwinChange> {
    return this.writeTwin(identity, { desired: patch });
  }

  /** Writes a twin's tags and desired properties; a change of the latter is pushed to the device if it listens. */
  async writeTwin(identity: Identity, write: TwinWrite): Promise<TwinChange> {
    const change = await this.twins.write(identity, write);
    if (!('twin' in change)) return change;
    if (write.desired !== undefined) this.lines.push(identity, change.patch, change.twin.desiredVersion);
    if (write.tags !== undefined) await this.#configure(identity, 'tags');
    return change;
  }

  /** Puts a message into the queue of a device, and tells it if it is there. @returns why it was not taken, or `undefined` */
  async send(deviceId: string, message: OutgoingMessage): Promise<MessageProblem | undefined> {
    const problem = await this.messages.send(deviceId, message);
    if (problem === undefined) this.lines.wake({ deviceId });
    return problem;
  }

  /** Ends what runs for this hub. */
  close(): void {
    this.events.close();
  }

  async #configure({ deviceId, moduleId }: Identity, why: 'tags' | 'reported'): Promise<void> {
    await this.configurations.look({ deviceId, moduleId }, why, async () => {
      const [twin, device] = await Promise.all([this.twins.get({ deviceId }), this.registry.get(deviceId)]);
      return twin === undefined ? undefined : new TwinRow(twin, device, () => this.presence({ deviceId }));
    });
  }

  #replaced(identity: Identity, transport: Transport): void {
    const { code } = hubErrors.replacedByNewConnection;
    const reason = this.#takeovers.reason(identity, this.host);
    this.#journal
      .attempt({
        service: 'hub',
        host: this.host,
        transport,
        id: identity.deviceId,
        outcome: 'dropped',
        wire: { status: httpStatusOf(code), errorCode: code },
        reason,
      })
      .catch((error: unknown) => this.#journal.log.error({ err: error }, 'an attempt could not be kept'));
  }

  /** A stranger may be a device that DPS sent elsewhere, or one that writes its name in another way. */
  async #whereElse(reason: Reason, deviceId: string): Promise<Reason> {
    const place = await placeOf(this.#store, canonicalRegistrationId(deviceId));
    if (place === undefined) return reason;
    if (place.hub !== this.host) {
      return {
        ...reason,
        rule: 'hub-moved',
        text: `hub ${this.host} has no device ${JSON.stringify(deviceId)}: DPS assigned it to ${place.hub}`,
        seen: this.host,
        expected: place.hub,
        nearest: `${place.hub}; device ${JSON.stringify(place.deviceId)}`,
        remedy: 'register with DPS again and forget the hub that was kept',
      };
    }
    return { ...reason, nearest: `${JSON.stringify(place.deviceId)}; ${difference(deviceId, place.deviceId)}` };
  }

  async #judge({ deviceId, moduleId, transport, apiVersion, clientId, password, certificate }: Arrival): Promise<Opened> {
    const identity: Identity = moduleId === undefined ? { deviceId } : { deviceId, moduleId };
    const wantedId = identityKey(identity);
    if (clientId !== undefined && clientId !== wantedId) {
      return {
        reason: {
          rule: 'client-id',
          text: `the ${transport.startsWith('amqp') ? 'user name' : 'client id'} is not ${moduleId === undefined ? 'the device id' : '{deviceId}/{moduleId}'}`,
          seen: clientId,
          expected: wantedId,
          nearest: `${JSON.stringify(wantedId)}; ${difference(clientId, wantedId)}`,
          remedy: 'connect with the device id as MQTT client id, or before @sas in the AMQP user name; a module with {deviceId}/{moduleId}',
        },
      };
    }
    const throttled = this.throttle.take('connections');
    if (throttled !== undefined) return { reason: throttled.reason, retryAfterSeconds: throttled.retryAfterSeconds };
    const read = readCredential(password, certificate);
    if ('reason' in read) return read;
    const [device, module, certificates] = await Promise.all([
      this.registry.get(deviceId),
      moduleId === undefined ? undefined : this.registry.module(deviceId, moduleId),
      read.credential.kind === 'x509' ? this.#certificates.list() : [],
    ]);
    const authorities = certificates.filter(({ verified }) => verified).map(({ name, certificate: pem }) => readCertificate(pem, name));
    const { credential } = read;
    const verdict = judgeSignIn({ hub: this.#record, identity, device, module, credential, authorities, now: this.#clock.now() });
    if ('reason' in verdict)
      return { reason: verdict.reason.rule === 'hub-stranger' ? await this.#whereElse(verdict.reason, deviceId) : verdict.reason };
    const ground = {
      host: this.host,
      twins: this.twins,
      lines: this.lines,
      methods: this.methods,
      messages: this.messages,
      events: this.events,
      throttle: this.throttle,
      journal: this.#journal,
      clock: this.#clock,
      entropy: this.entropy,
      registry: this.registry,
      reported: (who: Identity) => this.#configure(who, 'reported'),
    };
    const { authentication, generationId, expiresAt } = verdict;
    const kept = moduleId === undefined ? device?.messageSubscription : undefined;
    return { session: new HubSession({ identity, transport, apiVersion, authentication, generationId, kept }, ground), expiresAt };
  }
}

/** What a hub is made of. */
export interface HubParts {
  record: HubRecord;
  limits: LimitValues;
  store: Store;
  clock: Clock;
  entropy: Entropy;
  journal: Journal;
  /** Default: none. */
  behaviours?: Behaviours | undefined;
}
