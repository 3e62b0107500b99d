import {
  buildHubUserName,
  hubFilters,
  methodResponseTopic,
  parseHubDelivery,
  telemetryTopic,
  twinGetTopic,
  twinPatchTopic,
} from '@zerotouch/azure-wire/hub-mqtt';
import { parseJson } from '@zerotouch/azure-wire/json';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Failure, HubPort, HubSession, MethodCall } from '../boot/ports.js';
import { hubAddress } from './address.js';
import { DesiredVersions } from './desired-versions.js';
import { invalid } from './evidence.js';
import { signInToHub } from './hub-sign-in.js';
import { Lifeline } from './lifeline.js';
import { readDesired, readReportReply, readTwinReply } from './replies.js';
import { encodeTelemetry, TELEMETRY_PROPERTIES } from './telemetry.js';
import { TokenRenewal } from './token-renewal.js';
import type { WireTransportName } from './transport-names.js';
import { Line, type OpenLine, type WireLine } from './wire-line.js';

const FILTERS = [hubFilters.twinResponse, hubFilters.desired, hubFilters.methods];

/** A hub over the lean client. `connected` means that the subscriptions to twin and methods stand. */
export function createWireHub({
  clock,
  transport = 'mqtt',
  open = Line.open,
}: {
  clock: Clock;
  transport?: WireTransportName;
  open?: OpenLine;
}): HubPort {
  return {
    async connect({ identity, endpoint, assignment }, signal) {
      const { hub, deviceId } = assignment;
      const opened = await signIn(signal);
      if (opened.outcome !== 'open') return opened;
      const session = new WireSession(opened.line, deviceId);
      const failure = await session.subscribe(signal);
      if (failure !== undefined) return failure;
      if (identity.attestation.kind !== 'x509') session.renewTokens(signIn, clock);
      return { outcome: 'connected', session };

      async function signIn(until: AbortSignal): ReturnType<OpenLine> {
        const signed = await signInToHub(identity, assignment, clock);
        if (signed.outcome !== 'signed') return signed;
        const request = {
          ...endpoint,
          ...hubAddress(endpoint, hub, transport),
          transport,
          attestation: identity.attestation,
          clientId: deviceId,
          username: buildHubUserName(hub, deviceId),
          password: signed.token,
          filters: FILTERS,
        };
        return open(request, clock, until);
      }
    },
  };
}

class WireSession implements HubSession {
  readonly #life = new Lifeline();
  readonly #deviceId: string;
  readonly #replies = new Map<string, (status: number, body: unknown) => void>();
  readonly #listeners: ((patch: JsonObject & { $version: number }) => void)[] = [];
  readonly #desired = new DesiredVersions();
  readonly #methods = new Map<string, (call: MethodCall) => void>();
  #line: WireLine;
  #renewal: TokenRenewal | undefined;
  #count = 0;

  constructor(line: WireLine, deviceId: string) {
    this.#deviceId = deviceId;
    this.#line = line;
    this.#takeOn(line);
    this.#life.onLost(() => void this.#line.cut());
  }

  /** Asks for what a session needs; a failure frees the connection. */
  async subscribe(signal: AbortSignal): Promise<Failure | undefined> {
    const subscribed = await this.#line.subscribe(FILTERS, signal);
    if (subscribed.outcome === 'subscribed') return undefined;
    await this.#line.cut();
    return subscribed;
  }

  /** Keeps the session signed in. @param signIn opens a line with a new token; a hub ends the line before when it takes one */
  renewTokens(signIn: (signal: AbortSignal) => ReturnType<OpenLine>, clock: Clock): void {
    const renew = async (signal: AbortSignal): Promise<Failure | undefined> => {
      const old = this.#line;
      const opened = await signIn(signal);
      if (opened.outcome === 'open') {
        this.#takeOn(opened.line);
        const failure = await this.subscribe(signal);
        await old.close();
        if (failure === undefined) this.#desired.compare(await this.#pull(signal));
        else this.#life.lose(failure);
        return failure;
      }
      if (old.life.end !== undefined) this.#life.lose(old.life.end);
      return opened;
    };
    this.#renewal = new TokenRenewal({ clock, life: this.#life, inPlace: false, renew });
  }

  getTwin(signal: AbortSignal): ReturnType<HubSession['getTwin']> {
    return this.#whole(async () => this.#desired.pulled(await this.#pull(signal)));
  }

  report(patch: JsonObject, signal: AbortSignal): ReturnType<HubSession['report']> {
    return this.#whole(() => this.#ask(twinPatchTopic, JSON.stringify(patch), readReportReply, signal));
  }

  async send(message: JsonObject, signal: AbortSignal): ReturnType<HubSession['send']> {
    const encoded = encodeTelemetry(message);
    if (encoded.outcome !== 'encoded') return encoded;
    const topic = `${telemetryTopic(this.#deviceId)}${TELEMETRY_PROPERTIES}`;
    return this.#whole(() =>
      this.#life.during<{ outcome: 'sent' }>(signal, (answer) => {
        this.#line.publish(topic, encoded.text, (failure) => answer(failure ?? { outcome: 'sent' }));
        return undefined;
      }),
    );
  }

  onDesired(listener: (patch: JsonObject & { $version: number }) => void): void {
    this.#listeners.push(listener);
  }

  onMissed(listener: () => void): void {
    this.#desired.onMissed(listener);
  }

  onMethod(names: readonly string[], listener: (call: MethodCall) => void): void {
    for (const name of names) this.#methods.set(name, listener);
  }

  onLost(listener: (failure: Failure) => void): void {
    this.#life.onLost(listener);
  }

  close(): Promise<void> {
    this.#life.close();
    return this.#line.close();
  }

  #pull(signal: AbortSignal): ReturnType<HubSession['getTwin']> {
    return this.#ask(twinGetTopic, '', readTwinReply, signal);
  }

  #whole<T>(call: () => Promise<T>): Promise<T> {
    return this.#renewal === undefined ? call() : this.#renewal.during(call);
  }

  #takeOn(line: WireLine): void {
    this.#line = line;
    line.onMessage((topic, payload) => this.#hear(topic, parseJson(payload)));
    line.life.onLost((failure) => {
      void line.cut();
      // The hub ends the old line when it takes the new one.
      if (line === this.#line && this.#renewal?.underWay !== true) this.#life.lose(failure);
    });
  }

  #ask<T extends { outcome: string }>(
    topic: (rid: string) => string,
    body: string,
    read: (status: number, body: unknown) => T | Failure,
    signal: AbortSignal,
  ): Promise<T | Failure> {
    const rid = String(++this.#count);
    return this.#life.during<T>(signal, (answer) => {
      this.#replies.set(rid, (status, reply) => answer(read(status, reply)));
      this.#line.publish(topic(rid), body, (failure) => failure !== undefined && answer(failure));
      return () => this.#replies.delete(rid);
    });
  }

  #hear(topic: string, body: unknown): void {
    const delivery = parseHubDelivery(topic);
    if (delivery?.kind === 'method') this.#called(delivery, body);
    if (delivery?.kind === 'twin-response') this.#replies.get(delivery.rid)?.(delivery.status, body);
    if (delivery?.kind !== 'desired') return;
    const patch = readDesired(body, delivery.version);
    // A change that is skipped would leave the device on an old configuration: a new session pulls the whole twin.
    if (patch === undefined) this.#life.lose(invalid('the hub sent a change of the desired properties that is no JSON object'));
    else for (const listener of this.#listeners) listener(this.#desired.changed(patch));
  }

  #called({ name, rid }: { name: string; rid: string }, payload: unknown): void {
    const respond = (status: number, answer: JsonObject): Promise<void> =>
      new Promise((resolve) => this.#line.publish(methodResponseTopic(status, rid), JSON.stringify(answer), () => resolve()));
    const listener = this.#methods.get(name);
    if (listener !== undefined) listener({ name, payload, respond });
    else void respond(404, { error: `there is no method ${name}` });
  }
}
