import {
  cloudToDeviceTopic,
  desiredTopic,
  type HubRequest,
  hubFilters,
  methodTopic,
  parseHubRequest,
  twinResponseTopic,
} from '@zerotouch/azure-wire/hub-mqtt';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { isFault } from '@zerotouch/foundation/fault';
import type { Logger } from 'pino';
import { hubChoices } from '../../choices.js';
import { identityName } from '../../hub/identity.js';
import type { Line } from '../../hub/lines.js';
import type { HubSession, TwinReply } from '../../hub/session.js';
import { parseBag, sortBag, writeBag } from '../../hub/telemetry.js';
import { Held } from '../held.js';
import type { MqttSession, Outgoing, Outlet, Published, PublishOutcome } from './session.js';

/** A hub over MQTT: topics in, replies, pushes, calls and messages out. Source: iot-mqtt-connect-to-iot-hub. */
export class HubMqttSession implements MqttSession {
  readonly #hub: HubSession;
  /** Filters that stand, with their QoS. */
  readonly #filters = new Map<string, 0 | 1>();
  readonly #known: ReadonlySet<string>;
  readonly #messageFilters: readonly string[];
  readonly #held: Held;
  readonly #log: Logger;
  /** Whether nothing of this session is kept, nor was taken over from an earlier one. */
  readonly #clean: boolean;
  #line: Line | undefined;
  #outlet: Outlet | undefined;

  constructor(hub: HubSession, { log, clean }: { log: Logger; clean: boolean }) {
    const { deviceId, moduleId } = hub.identity;
    this.#hub = hub;
    this.#log = log;
    this.#clean = clean;
    this.#held = new Held(hub, log);
    this.#messageFilters = moduleId === undefined ? written(deviceId).map(hubFilters.cloudToDevice) : [];
    const inputs =
      moduleId === undefined ? [] : written(deviceId).flatMap((id) => written(moduleId).flatMap((m) => hubFilters.moduleInputs(id, m)));
    const { twinResponse, desired, methods } = hubFilters;
    this.#known = new Set([twinResponse, desired, methods, ...this.#messageFilters, ...inputs]);
    const [messages] = this.#messageFilters;
    const { keptSubscription } = hub;
    if (clean) this.#keep(undefined);
    else if (messages !== undefined && keptSubscription !== undefined) this.#filters.set(messages, keptSubscription);
  }

  get present(): boolean {
    return !this.#clean && this.#hub.keptSubscription !== undefined;
  }

  opened(outlet: Outlet): void {
    this.#outlet = outlet;
    this.#line = {
      desired: (patch, version) => {
        if (this.#filters.has(hubFilters.desired)) outlet.send({ topic: desiredTopic(version), payload: pushed(patch, version) });
      },
      method: ({ rid, name, payload }) => {
        if (!this.#filters.has(hubFilters.methods)) return false;
        outlet.send({ topic: methodTopic(name, rid), payload });
        return true;
      },
      message: () => this.#deliver(),
      end: (cause) => outlet.end(cause),
    };
    this.#hub.attach(this.#line);
    // What a kept subscription brings goes out behind the CONNACK.
    this.#deliver();
  }

  closed(cause: string): void {
    this.#held.close();
    if (this.#line !== undefined) this.#hub.detach(this.#line, cause);
  }

  subscribe(filter: string, qos: 0 | 1): boolean {
    if (!this.#known.has(filter)) return false;
    if (!this.#filters.has(filter) && this.#filters.size >= hubChoices.subscriptionsAtOnce.value) return false;
    this.#filters.set(filter, qos);
    // What follows goes out behind the SUBACK.
    if (filter === hubFilters.methods) queueMicrotask(() => this.#hub.listens());
    if (this.#messageFilters.includes(filter)) {
      if (!this.#clean) this.#keep(qos);
      this.#deliver();
    }
    return true;
  }

  unsubscribe(filter: string): void {
    this.#filters.delete(filter);
    if (this.#messageFilters.includes(filter)) this.#keep(undefined);
  }

  async publish({ topic, payload, retain, will }: Published): Promise<PublishOutcome> {
    const request = read(topic);
    switch (request?.kind) {
      case 'telemetry': {
        if (!this.#isMine(request))
          return { close: `telemetry to ${JSON.stringify(topic.slice(0, 200))} on the connection of ${this.#name}` };
        const message = { body: payload, ...sortBag(parseBag(request.properties)) };
        const marks = { ...(retain ? { 'mqtt-retain': 'true' } : {}), ...(will ? { 'iothub-MessageType': 'Will' } : {}) };
        const problem = await this.#hub.telemetry([message], marks);
        return problem === undefined ? { replies: [] } : { close: problem.text };
      }
      case 'twin-get':
        return { replies: this.#reply(request.rid, await this.#hub.twin()) };
      case 'twin-patch':
        return { replies: this.#reply(request.rid, await this.#hub.report(payload)) };
      case 'method-response':
        this.#hub.answer(request.rid, request.status, payload);
        return { replies: [] };
      default:
        return {
          close:
            `a publish to ${JSON.stringify(topic.slice(0, 200))}, which the hub does not take: telemetry, requests for the twin, reported ` +
            'properties and answers to methods it does; file upload is not supported by the local hub',
        };
    }
  }

  get #name(): string {
    return identityName(this.#hub.identity);
  }

  // Clients write ids into topics as they are, or percent-encoded.
  #isMine({ deviceId, moduleId }: HubRequest & { kind: 'telemetry' }): boolean {
    const { identity } = this.#hub;
    const sameModule = moduleId === undefined ? identity.moduleId === undefined : written(identity.moduleId ?? '').includes(moduleId);
    return sameModule && written(identity.deviceId).includes(deviceId);
  }

  #deliver(): void {
    const qos = this.#messageFilters.map((filter) => this.#filters.get(filter)).find((granted) => granted !== undefined);
    if (qos === undefined) return;
    void this.#held.fill(({ lockToken, message }) => {
      const { body, system, properties, ack } = message;
      const bag = writeBag({ system, properties: { ...properties, ...(ack === 'none' ? {} : { 'iothub-ack': ack }) } });
      const topic = cloudToDeviceTopic(this.#hub.identity.deviceId, bag);
      const done = (): void => void this.#held.settle(lockToken, 'complete').then(() => this.#deliver());
      const outgoing = { topic, payload: Buffer.from(body, 'base64') };
      this.#outlet?.send(qos === 0 ? outgoing : { ...outgoing, acked: done });
      // Without an acknowledgement, sent is all that can be known.
      if (qos === 0) done();
    });
  }

  #keep(qos: 0 | 1 | undefined): void {
    if (qos === this.#hub.keptSubscription) return;
    this.#hub.keepSubscription(qos).catch((error: unknown) => this.#log.error({ err: error }, 'a subscription could not be kept'));
  }

  #reply(rid: string, reply: TwinReply): Outgoing[] {
    if (!this.#filters.has(hubFilters.twinResponse)) return [];
    if ('document' in reply) return [{ topic: twinResponseTopic(reply.status, rid), payload: JSON.stringify(reply.document) }];
    if ('version' in reply) return [{ topic: twinResponseTopic(reply.status, rid, reply.version), payload: '' }];
    return [{ topic: twinResponseTopic(reply.status, rid), payload: JSON.stringify(reply.error) }];
  }
}

function pushed(patch: JsonObject, version: number): string {
  return JSON.stringify({ ...patch, $version: version });
}

function written(id: string): string[] {
  return [id, encodeURIComponent(id)];
}

function read(topic: string): HubRequest | undefined {
  try {
    return parseHubRequest(topic);
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}
