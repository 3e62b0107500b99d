import { desiredTopic, type HubRequest, hubFilters, parseHubRequest, twinResponseTopic } from '@zerotouch/azure-wire/hub-mqtt';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { isFault } from '@zerotouch/foundation/fault';
import { hubChoices } from '../../choices.js';
import type { Line } from '../../hub/lines.js';
import type { HubSession, TwinReply } from '../../hub/session.js';
import type { MqttSession, Outgoing, Outlet, Published, PublishOutcome } from './session.js';

/** A hub over MQTT: topics in, replies and pushes out. Source: iot-mqtt-connect-to-iot-hub. */
export class HubMqttSession implements MqttSession {
  readonly #hub: HubSession;
  readonly #filters = new Set<string>();
  readonly #known: ReadonlySet<string>;
  #line: Line | undefined;

  constructor(hub: HubSession) {
    this.#hub = hub;
    const { twinResponse, desired, methods, cloudToDevice } = hubFilters;
    this.#known = new Set([twinResponse, desired, methods, cloudToDevice(hub.deviceId), cloudToDevice(encodeURIComponent(hub.deviceId))]);
  }

  opened(outlet: Outlet): void {
    this.#line = {
      desired: (patch, version) => {
        if (this.#filters.has(hubFilters.desired)) outlet.send({ topic: desiredTopic(version), payload: pushed(patch, version) });
      },
      end: (cause) => outlet.end(cause),
    };
    this.#hub.attach(this.#line);
  }

  closed(cause: string): void {
    if (this.#line !== undefined) this.#hub.detach(this.#line, cause);
  }

  subscribe(filter: string): boolean {
    if (!this.#known.has(filter)) return false;
    if (!this.#filters.has(filter) && this.#filters.size >= hubChoices.subscriptionsAtOnce.value) return false;
    this.#filters.add(filter);
    return true;
  }

  unsubscribe(filter: string): void {
    this.#filters.delete(filter);
  }

  async publish({ topic, payload, retain, will }: Published): Promise<PublishOutcome> {
    const request = read(topic);
    switch (request?.kind) {
      case 'telemetry': {
        const problem = this.#hub.telemetry(decoded(request.deviceId, this.#hub.deviceId), payload, request.properties, {
          ...(retain ? { 'mqtt-retain': 'true' } : {}),
          ...(will ? { 'iothub-MessageType': 'Will' } : {}),
        });
        return problem === undefined ? { replies: [] } : { close: problem };
      }
      case 'twin-get':
        return { replies: this.#reply(request.rid, await this.#hub.twin()) };
      case 'twin-patch':
        return { replies: this.#reply(request.rid, await this.#hub.report(payload)) };
      default:
        return { close: `a publish to ${JSON.stringify(topic.slice(0, 200))}, which the hub does not take` };
    }
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

// Clients write the device id into topics as it is, or percent-encoded.
function decoded(inTopic: string, deviceId: string): string {
  return inTopic === encodeURIComponent(deviceId) ? deviceId : inTopic;
}

function read(topic: string): HubRequest | undefined {
  try {
    return parseHubRequest(topic);
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}
