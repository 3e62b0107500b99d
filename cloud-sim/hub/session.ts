import { errorBody, httpStatusOf, hubErrors, type ServiceErrorBody, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { parseJson } from '@zerotouch/azure-wire/json';
import { hubLimits } from '@zerotouch/azure-wire/limits';
import { type DeviceTwinDocument, isJsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { hubChoices } from '../choices.js';
import type { Journal } from '../journal.js';
import { guid } from '../unique.js';
import type { Line, Lines } from './lines.js';
import type { Twins } from './twins.js';

/** The hub's answer to a request about the twin. */
export type TwinReply =
  | { status: 200; document: DeviceTwinDocument }
  | { status: 204; version: number }
  | { status: number; error: ServiceErrorBody };

/** What a session works with. */
export interface SessionGround {
  host: string;
  twins: Twins;
  lines: Lines;
  journal: Journal;
  clock: Clock;
  entropy: Entropy;
}

/** Who signed in. */
export interface SignedIn {
  deviceId: string;
  apiVersion: string | undefined;
  authentication: 'sas' | 'selfSigned';
}

/** A signed-in device, whatever the protocol: what it may ask of its hub. */
export class HubSession {
  readonly deviceId: string;
  readonly #who: SignedIn;
  readonly #ground: SessionGround;

  constructor(who: SignedIn, ground: SessionGround) {
    this.deviceId = who.deviceId;
    this.#who = who;
    this.#ground = ground;
  }

  /** From now on the device is connected. */
  attach(line: Line): void {
    this.#ground.lines.attach(this.deviceId, this.#who.authentication, line);
  }

  detach(line: Line, cause: string): void {
    this.#ground.lines.detach(this.deviceId, line, cause);
  }

  async twin(): Promise<TwinReply> {
    if (this.#who.apiVersion === undefined) return this.#error(hubChoices.twinWithoutApiVersion.value, 'the user name has no api-version');
    const twin = await this.#ground.twins.get(this.deviceId);
    if (twin === undefined) return this.#error(hubErrors.deviceNotFound);
    const { desired, desiredVersion, reported, reportedVersion } = twin;
    return {
      status: 200,
      document: { desired: { ...desired, $version: desiredVersion }, reported: { ...reported, $version: reportedVersion } },
    };
  }

  /** @param body JSON text of a patch */
  async report(body: Uint8Array): Promise<TwinReply> {
    if (this.#who.apiVersion === undefined) return this.#error(hubChoices.twinWithoutApiVersion.value, 'the user name has no api-version');
    const patch = parseJson(body);
    if (!isJsonObject(patch)) return this.#error(hubErrors.argumentInvalid, 'the reported properties are no JSON object');
    const change = await this.#ground.twins.changeReported(this.deviceId, patch);
    if ('missing' in change) return this.#error(hubErrors.deviceNotFound);
    if ('problem' in change) return this.#error(hubErrors.argumentInvalid, change.problem);
    const version = change.twin.reportedVersion;
    this.#ground.journal.tell('reported', { hub: this.#ground.host, deviceId: this.deviceId, patch, version });
    return { status: 204, version };
  }

  /**
   * Takes a message.
   * @param bag the property bag as it came, url-encoded
   * @param marks properties that the hub sets itself
   * @returns why it was not taken, or `undefined`
   */
  telemetry(deviceId: string, body: Buffer, bag: string, marks: Readonly<Record<string, string>>): string | undefined {
    if (deviceId !== this.deviceId)
      return `telemetry for device ${JSON.stringify(deviceId)} on the connection of ${JSON.stringify(this.deviceId)}`;
    const limit = hubLimits.telemetryBytes.value;
    if (body.length > limit) return `telemetry of ${body.length} bytes, at most ${limit} are allowed`;
    const properties = { ...parseBag(bag), ...marks };
    this.#ground.journal.tell('telemetry', { hub: this.#ground.host, deviceId, body, properties });
    return undefined;
  }

  #error(entry: ServiceErrorEntry, message?: string): TwinReply {
    const { clock, entropy, journal, host } = this.#ground;
    journal.log.warn({ hub: host, deviceId: this.deviceId, errorCode: entry.code }, message ?? entry.message);
    return { status: httpStatusOf(entry.code), error: errorBody(entry, guid(entropy), clock.now(), message) };
  }
}

// Without a prototype, so that a property named `__proto__` is one like any other.
function parseBag(bag: string): Record<string, string> {
  const properties: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [key, value] of new URLSearchParams(bag.replace(/^\?/, '').replaceAll('+', '%2B'))) properties[key] = value;
  return properties;
}
