import {
  errorBody,
  httpStatusOf,
  hubErrors,
  type ServiceErrorBody,
  type ServiceErrorEntry,
  timestampUtc,
} from '@zerotouch/azure-wire/errors';
import { parseJson } from '@zerotouch/azure-wire/json';
import { hubLimits } from '@zerotouch/azure-wire/limits';
import { type DeviceTwinDocument, isJsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { hubChoices } from '../choices.js';
import type { Journal } from '../journal.js';
import type { Reason, Transport } from '../reasons.js';
import { guid } from '../unique.js';
import type { EventStream } from './event-stream.js';
import { type Identity, identityName } from './identity.js';
import type { Line, Lines } from './lines.js';
import type { LockedMessage, Messages, Settlement } from './messages.js';
import type { Methods } from './methods.js';
import type { Registry } from './registry.js';
import type { AuthenticationType } from './sign-in.js';
import { bagged, connectionProperties, type Telemetry } from './telemetry.js';
import type { HubThrottle, HubThrottled } from './throttle.js';
import type { Twins } from './twins.js';

/** The hub's answer to a request about the twin. */
export type TwinReply =
  | { status: 200; document: DeviceTwinDocument }
  | { status: 204; version: number }
  | { status: number; error: ServiceErrorBody };

/** Why a message was not taken, and with which error where the protocol can say one. */
export interface TelemetryProblem {
  entry: ServiceErrorEntry;
  text: string;
  /** When it may come again, where that is known. */
  retryAfterSeconds?: number;
}

/** What a session works with. */
export interface SessionGround {
  host: string;
  twins: Twins;
  lines: Lines;
  methods: Methods;
  messages: Messages;
  events: EventStream;
  throttle: HubThrottle;
  journal: Journal;
  clock: Clock;
  entropy: Entropy;
  registry: Pick<Registry, 'keepSubscription'>;
  /** The reported properties of somebody have changed. */
  reported(identity: Identity): Promise<void>;
}

/** Who signed in. */
export interface SignedIn {
  identity: Identity;
  transport: Transport;
  apiVersion: string | undefined;
  authentication: AuthenticationType;
  generationId: string;
  /** QoS of the subscription to messages that was kept from an earlier MQTT connection. */
  kept: 0 | 1 | undefined;
}

/** A signed-in device or module, whatever the protocol: what it may ask of its hub. */
export class HubSession {
  readonly identity: Identity;
  #who: SignedIn;
  readonly #ground: SessionGround;

  constructor(who: SignedIn, ground: SessionGround) {
    this.identity = who.identity;
    this.#who = who;
    this.#ground = ground;
  }

  /** From now on the device is connected. */
  attach(line: Line): void {
    this.#ground.lines.attach(this.#who, line);
  }

  detach(line: Line, cause: string): void {
    this.#ground.lines.detach(this.identity, line, cause);
  }

  async twin(): Promise<TwinReply> {
    const problem = this.#twinProblem('twinReads');
    if (problem !== undefined) return problem;
    const twin = await this.#ground.twins.get(this.identity);
    if (twin === undefined) return this.#error(hubErrors.deviceNotFound);
    const { desired, desiredVersion, reported, reportedVersion } = twin;
    return {
      status: 200,
      document: { desired: { ...desired, $version: desiredVersion }, reported: { ...reported, $version: reportedVersion } },
    };
  }

  /** @param body JSON text of a patch */
  async report(body: Uint8Array): Promise<TwinReply> {
    const refusal = this.#twinProblem('twinUpdates');
    if (refusal !== undefined) return refusal;
    const patch = parseJson(body);
    if (!isJsonObject(patch)) return this.#error(hubErrors.argumentInvalid, 'the reported properties are no JSON object');
    const change = await this.#ground.twins.changeReported(this.identity, patch);
    if ('problem' in change) return this.#error(hubErrors.argumentInvalid, change.problem);
    if (!('twin' in change)) return this.#error(hubErrors.deviceNotFound);
    const version = change.twin.reportedVersion;
    this.#ground.journal.tell('reported', { hub: this.#ground.host, ...this.#named(), patch, version });
    await this.#ground.reported(this.identity);
    return { status: 204, version };
  }

  /**
   * Takes messages that came in one: all of them or none. They may be held back for a while when more come than the hub takes.
   * @param marks properties of the application that the hub sets itself
   * @returns why they were not taken, or `undefined`
   */
  async telemetry(messages: readonly Telemetry[], marks: Readonly<Record<string, string>> = {}): Promise<TelemetryProblem | undefined> {
    const { clock, throttle, lines } = this.#ground;
    const limit = hubLimits.telemetryBytes.value;
    const bytes = messages.reduce((sum, { body }) => sum + body.length, 0);
    if (bytes > limit) return { entry: hubErrors.messageTooLarge, text: `telemetry of ${bytes} bytes, at most ${limit} are allowed` };
    const shaped = throttle.shape('telemetry', messages.length);
    if (typeof shaped !== 'number') {
      await this.#throttled(shaped);
      return { entry: hubErrors.throttled, text: shaped.reason.text, retryAfterSeconds: shaped.retryAfterSeconds };
    }
    if (shaped > 0) await clock.wait(shaped);
    lines.touch(this.identity);
    for (const message of messages) this.#publish(message, marks);
    return undefined;
  }

  #publish({ body, system, properties }: Telemetry, marks: Readonly<Record<string, string>>): void {
    const { host, clock, events, journal } = this.#ground;
    const enqueuedTimeUtc = timestampUtc(clock.now());
    const { authentication, generationId } = this.#who;
    const named = this.#named();
    events.publish({
      enqueuedTimeUtc,
      ...named,
      body,
      systemProperties: { ...system, ...connectionProperties(this.identity, authentication, generationId, enqueuedTimeUtc) },
      applicationProperties: { ...properties, ...marks },
    });
    journal.tell('telemetry', { hub: host, ...named, body, properties: bagged({ system, properties: { ...properties, ...marks } }) });
  }

  /** The oldest message that waits for the device, locked for it. Modules have none. */
  async receive(): Promise<LockedMessage | undefined> {
    if (this.identity.moduleId !== undefined) return undefined;
    const throttled = this.#ground.throttle.take('messagesReceived');
    if (throttled !== undefined) {
      await this.#throttled(throttled);
      return undefined;
    }
    return this.#ground.messages.receive(this.identity.deviceId);
  }

  /** @returns whether the lock was still good */
  settle(lockToken: string, how: Settlement): Promise<boolean> {
    return this.#ground.messages.settle(this.identity.deviceId, lockToken, how);
  }

  /** QoS of the subscription to messages that is kept; `undefined`: none. */
  get keptSubscription(): 0 | 1 | undefined {
    return this.#who.kept;
  }

  /** Keeps a subscription to messages for the device's next MQTT connection, or none. */
  async keepSubscription(qos: 0 | 1 | undefined): Promise<void> {
    this.#who = { ...this.#who, kept: qos };
    await this.#ground.registry.keepSubscription(this.identity.deviceId, qos);
  }

  /** The device listens for methods from now on. */
  listens(): void {
    this.#ground.lines.ready(this.identity);
  }

  /** Takes the answer to a method. @param body JSON text; what is none goes to the caller as `null` */
  answer(rid: string, status: number, body: Uint8Array): void {
    const { methods, journal, host } = this.#ground;
    const payload = body.length === 0 ? null : (parseJson(body) ?? null);
    if (!methods.answer(this.identity, rid, status, payload)) {
      journal.log.info({ hub: host, ...this.#named(), rid }, 'an answer to a method came that nobody waits for (any more)');
    }
  }

  #twinProblem(kind: 'twinReads' | 'twinUpdates'): TwinReply | undefined {
    if (this.#who.apiVersion === undefined) return this.#error(hubChoices.twinWithoutApiVersion.value, 'the user name has no api-version');
    this.#ground.lines.touch(this.identity);
    const throttled = this.#ground.throttle.take(kind);
    if (throttled === undefined) return undefined;
    void this.#throttled(throttled);
    return this.#error(hubErrors.throttled);
  }

  /** Writes down that somebody was throttled: once until it goes on, or the log would hold nothing else. */
  async #throttled({ first, reason }: HubThrottled): Promise<void> {
    if (first) await this.#refused(reason, hubErrors.throttled);
  }

  async #refused(reason: Reason, { code }: ServiceErrorEntry): Promise<void> {
    const { journal, host } = this.#ground;
    const wire = { status: httpStatusOf(code), errorCode: code };
    const { transport } = this.#who;
    await journal.attempt({ service: 'hub', host, transport, id: this.identity.deviceId, outcome: 'refused', wire, reason });
  }

  #error(entry: ServiceErrorEntry, message?: string): TwinReply {
    const { clock, entropy, journal, host } = this.#ground;
    journal.log.warn({ hub: host, ...this.#named(), errorCode: entry.code }, message ?? `${entry.message}: ${identityName(this.identity)}`);
    return { status: httpStatusOf(entry.code), error: errorBody(entry, guid(entropy), clock.now(), message) };
  }

  #named(): { deviceId: string; moduleId?: string } {
    const { deviceId, moduleId } = this.identity;
    return moduleId === undefined ? { deviceId } : { deviceId, moduleId };
  }
}
