import { parseHubDelivery } from '@zerotouch/azure-wire/hub-mqtt';
import { parseJson } from '@zerotouch/azure-wire/json';
import { invalid, sortSdkError, timedOut } from './evidence.js';
import { readDesired } from './replies.js';
import { WatchedBase } from './sdk-base.js';
import type { HubLineWatch, OpenHubLine } from './sdk-hub-line.js';
import { sdkPackage } from './sdk-package.js';
import type { WireTransportName } from './transport-names.js';

/** The SDK's way to a hub by MQTT, over TLS or over WebSocket. */
export function openMqttHub(transport: WireTransportName): OpenHubLine {
  const { Mqtt, MqttWs } = sdkPackage('azure-iot-device-mqtt');
  return (socket, provider, watch, redial) => {
    const watched = new WatchedBase(
      'azure-iot-device-mqtt',
      { socket, transport },
      { onClose: watch.onClose, onMessage: (...message) => hear(watch, ...message) },
    );
    const Transport = transport === 'mqtt' ? Mqtt : MqttWs;
    return {
      transport: new Transport(provider, watched.base as unknown as ConstructorParameters<typeof Mqtt>[1]),
      ambiguous: true,
      networkError: () => watched.networkError,
      renewsInPlace: false,
      async renew(token, signal) {
        const dialled = await redial(signal);
        if (dialled.outcome !== 'open') return dialled;
        const problem = await watched.moveTo(dialled.socket, token, signal);
        if (!problem) return undefined;
        const failure = signal.aborted ? timedOut() : sortSdkError(problem, { network: watched.networkError });
        watch.fail(failure);
        return failure;
      },
      hangUp: (clock) => watched.hangUp(clock),
      cut: () => watched.cut(),
    };
  };
}

function hear({ reading, fail }: HubLineWatch, topic: string, payload: Uint8Array, forward: (payload: Uint8Array) => void): void {
  const delivery = parseHubDelivery(topic);
  if (delivery?.kind === 'twin-response') {
    const body = parseJson(payload);
    reading({ status: delivery.status, body });
    // The SDK reads the body only to find an error in it; the reply itself is read with its status.
    forward(Buffer.from(JSON.stringify(body ?? {})));
    reading(undefined);
  } else if (delivery?.kind === 'desired') {
    const patch = readDesired(parseJson(payload), delivery.version);
    // A change that is skipped would leave the device on an old configuration: a new session pulls the whole twin.
    if (patch === undefined) fail(invalid('the hub sent a change of the desired properties that is no JSON object'));
    else forward(Buffer.from(JSON.stringify(patch)));
  } else if (!topic.startsWith('$iothub/methods/') || payload.length === 0 || parseJson(payload) !== undefined) {
    // Messages and method calls for the application; a call whose payload is no JSON would end the process inside the SDK.
    forward(payload);
  }
}
