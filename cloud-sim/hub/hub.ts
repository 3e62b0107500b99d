import type { InitialTwin } from '@zerotouch/azure-wire/enrolment';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Behaviours } from '../behaviours/behaviours.js';
import { type PresentedCertificate, readCredential } from '../credentials.js';
import type { Journal } from '../journal.js';
import { difference } from '../nearest.js';
import type { Reason, Transport, WireAnswer } from '../reasons.js';
import { placeOf } from '../store/service-store.js';
import type { HubRecord, Store, TwinRecord } from '../store/store.js';
import { Lines } from './lines.js';
import { type NewDevice, Registry } from './registry.js';
import { HubSession } from './session.js';
import { judgeSignIn } from './sign-in.js';
import { type TwinChange, Twins } from './twins.js';

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

/** Let in, with the session and its end (milliseconds since 1970); or kept out, and why. */
export type Opened = { session: HubSession; expiresAt: number | undefined } | { reason: Reason };

/** One IoT hub. */
export class Hub {
  readonly host: string;
  readonly registry: Registry;
  readonly twins: Twins;
  readonly lines: Lines;
  #record: HubRecord;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #journal: Journal;
  readonly #behaviours: Behaviours | undefined;

  constructor({ record, store, clock, entropy, journal, behaviours, deviceLimit }: HubParts) {
    this.host = record.host;
    this.registry = new Registry({ store, hub: record.host, entropy, limit: deviceLimit });
    this.twins = new Twins({ store, hub: record.host, entropy });
    this.lines = new Lines({ hub: record.host, journal });
    this.#record = record;
    this.#store = store;
    this.#clock = clock;
    this.#entropy = entropy;
    this.#journal = journal;
    this.#behaviours = behaviours;
  }

  /** What the cloud knows of this hub. */
  get record(): HubRecord {
    return this.#record;
  }

  /** From now on these are its policies. */
  renew(record: HubRecord): void {
    this.#record = record;
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
    const reason: Reason = refused ? opened.reason : { rule: 'signed-in', text: `device ${JSON.stringify(arrival.deviceId)} signed in` };
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

  /** Lets DPS make a device, with its twin. */
  async admit(device: NewDevice, start: InitialTwin | TwinRecord): Promise<void> {
    await this.registry.create(device, start);
  }

  /** Lets DPS take a device away; its connections end. @returns the twin it had */
  async release(deviceId: string): Promise<TwinRecord | undefined> {
    const twin = await this.registry.remove(deviceId);
    this.lines.drop(deviceId, 'the device was removed from the hub');
    return twin;
  }

  /** Changes desired properties, and pushes the change to whoever of the device listens. */
  async changeDesired(deviceId: string, patch: JsonObject): Promise<TwinChange> {
    const change = await this.twins.changeDesired(deviceId, patch);
    if ('twin' in change) this.lines.push(deviceId, patch, change.twin.desiredVersion);
    return change;
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

  async #judge({ deviceId, moduleId, apiVersion, clientId, password, certificate }: Arrival): Promise<Opened> {
    if (moduleId !== undefined) {
      const text = 'modules are not served by the local hub';
      return {
        reason: {
          rule: 'module-unsupported',
          text,
          seen: moduleId,
          expected: 'a device: {hub}/{deviceId}/?api-version=..',
          nearest: `${this.host}/${deviceId}/?api-version=2021-04-12`,
          remedy: 'connect as the device itself',
        },
      };
    }
    if (clientId !== undefined && clientId !== deviceId) {
      return {
        reason: {
          rule: 'client-id',
          text: 'the client id is not the device id',
          seen: clientId,
          expected: deviceId,
          nearest: `${JSON.stringify(deviceId)}; ${difference(clientId, deviceId)}`,
          remedy: 'connect with the device id as MQTT client id',
        },
      };
    }
    const read = readCredential(password, certificate);
    if ('reason' in read) return read;
    const device = await this.registry.get(deviceId);
    const verdict = judgeSignIn({ hub: this.#record, deviceId, device, credential: read.credential, now: this.#clock.now() });
    if ('reason' in verdict)
      return { reason: verdict.reason.rule === 'hub-stranger' ? await this.#whereElse(verdict.reason, deviceId) : verdict.reason };
    const ground = {
      host: this.host,
      twins: this.twins,
      lines: this.lines,
      journal: this.#journal,
      clock: this.#clock,
      entropy: this.#entropy,
    };
    const { authentication, expiresAt } = verdict;
    return { session: new HubSession({ deviceId, apiVersion, authentication }, ground), expiresAt };
  }
}

/** What a hub is made of. */
export interface HubParts {
  record: HubRecord;
  /** Devices that its registry takes. */
  deviceLimit: number;
  store: Store;
  clock: Clock;
  entropy: Entropy;
  journal: Journal;
  /** Default: none. */
  behaviours?: Behaviours | undefined;
}
