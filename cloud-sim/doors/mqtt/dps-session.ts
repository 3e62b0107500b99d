import { DPS_RESPONSE_FILTER, type DpsRequest, dpsResponseTopic, parseDpsRequest } from '@zerotouch/azure-wire/dps-mqtt';
import { isFault } from '@zerotouch/foundation/fault';
import type { DpsSession } from '../../dps/dps.js';
import type { MqttSession, Published, PublishOutcome } from './session.js';

/** DPS over MQTT: topics in, replies out. Source: iot-dps/iot-dps-mqtt-support. */
export class DpsMqttSession implements MqttSession {
  /** DPS keeps no session, whatever CleanSession says. Source: docs/iot-dps-mqtt-support. */
  readonly present = false;
  readonly #dps: DpsSession;
  #subscribed = false;

  constructor(dps: DpsSession) {
    this.#dps = dps;
  }

  opened(): void {}

  closed(): void {}

  subscribe(filter: string): boolean {
    if (filter !== DPS_RESPONSE_FILTER) return false;
    this.#subscribed = true;
    return true;
  }

  unsubscribe(filter: string): void {
    if (filter === DPS_RESPONSE_FILTER) this.#subscribed = false;
  }

  async publish({ topic, payload }: Published): Promise<PublishOutcome> {
    const request = read(topic);
    if (request === undefined) return { close: `a publish to ${JSON.stringify(topic.slice(0, 200))}, which is no topic of DPS` };
    const { status, body, retryAfter } = await (request.kind === 'register'
      ? this.#dps.register(payload)
      : this.#dps.operation(request.operationId));
    return {
      replies: this.#subscribed ? [{ topic: dpsResponseTopic(status, request.rid, retryAfter), payload: JSON.stringify(body) }] : [],
    };
  }
}

function read(topic: string): DpsRequest | undefined {
  try {
    return parseDpsRequest(topic);
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}
