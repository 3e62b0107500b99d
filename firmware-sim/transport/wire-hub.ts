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
import { invalid } from './evidence.js';
import { signInToHub } from './hub-sign-in.js';
import { readDesired, readReportReply, readTwinReply } from './replies.js';
import { encodeTelemetry, TELEMETRY_PROPERTIES } from './telemetry.js';
import type { WireTransportName } from './transport-names.js';
import { Line, type OpenLine, type WireLine } from './wire-line.js';

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
      const signed = await signInToHub(identity, assignment, clock);
      if (signed.outcome !== 'signed') return signed;
      const opened = await open(
        {
          ...endpoint,
          ...hubAddress(endpoint, hub, transport),
          transport,
          attestation: identity.attestation,
          clientId: deviceId,
          username: buildHubUserName(hub, deviceId),
          password: signed.token,
        },
        clock,
        signal,
      );
      if (opened.outcome !== 'open') return opened;
      const { line } = opened;
      const session = new WireSession(line, deviceId);
      const subscribed = await line.subscribe([hubFilters.twinResponse, hubFilters.desired, hubFilters.methods], signal);
      if (subscribed.outcome === 'subscribed') return { outcome: 'connected', session };
      await line.cut();
      return subscribed;
    },
  };
}

class WireSession implements HubSession {
  readonly #line: WireLine;
  readonly #deviceId: string;
  readonly #replies = new Map<string, (status: number, body: unknown) => void>();
  readonly #desired: ((patch: JsonObject & { $version: number }) => void)[] = [];
  readonly #methods = new Map<string, (call: MethodCall) => void>();
  #count = 0;

  constructor(line: WireLine, deviceId: string) {
    this.#line = line;
    this.#deviceId = deviceId;
    line.onMessage((topic, payload) => this.#hear(topic, parseJson(payload)));
    line.life.onLost(() => void line.cut());
  }

  getTwin(signal: AbortSignal): ReturnType<HubSession['getTwin']> {
    return this.#ask(twinGetTopic, '', readTwinReply, signal);
  }

  report(patch: JsonObject, signal: AbortSignal): ReturnType<HubSession['report']> {
    return this.#ask(twinPatchTopic, JSON.stringify(patch), readReportReply, signal);
  }

  async send(message: JsonObject, signal: AbortSignal): ReturnType<HubSession['send']> {
    const encoded = encodeTelemetry(message);
    if (encoded.outcome !== 'encoded') return encoded;
    const topic = `${telemetryTopic(this.#deviceId)}${TELEMETRY_PROPERTIES}`;
    return this.#line.life.during<{ outcome: 'sent' }>(signal, (answer) => {
      this.#line.publish(topic, encoded.text, (failure) => answer(failure ?? { outcome: 'sent' }));
      return undefined;
    });
  }

  onDesired(listener: (patch: JsonObject & { $version: number }) => void): void {
    this.#desired.push(listener);
  }

  onMethod(names: readonly string[], listener: (call: MethodCall) => void): void {
    for (const name of names) this.#methods.set(name, listener);
  }

  onLost(listener: (failure: Failure) => void): void {
    this.#line.life.onLost(listener);
  }

  close(): Promise<void> {
    return this.#line.close();
  }

  #ask<T extends { outcome: string }>(
    topic: (rid: string) => string,
    body: string,
    read: (status: number, body: unknown) => T | Failure,
    signal: AbortSignal,
  ): Promise<T | Failure> {
    const rid = String(++this.#count);
    return this.#line.life.during<T>(signal, (answer) => {
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
    if (patch === undefined) this.#line.life.lose(invalid('the hub sent a change of the desired properties that is no JSON object'));
    else for (const listener of this.#desired) listener(patch);
  }

  #called({ name, rid }: { name: string; rid: string }, payload: unknown): void {
    const respond = (status: number, answer: JsonObject): Promise<void> =>
      new Promise((resolve) => this.#line.publish(methodResponseTopic(status, rid), JSON.stringify(answer), () => resolve()));
    const listener = this.#methods.get(name);
    if (listener !== undefined) listener({ name, payload, respond });
    else void respond(404, { error: `there is no method ${name}` });
  }
}
