import { parseDpsResponse } from '@zerotouch/azure-wire/dps-mqtt';
import { parseJson } from '@zerotouch/azure-wire/json';
import { dial } from './dial.js';
import { dropped, sortConnectionError, sortSdkError } from './evidence.js';
import { readDpsReply } from './replies.js';
import { WatchedBase } from './sdk-base.js';
import type { OpenDpsLine } from './sdk-dps-line.js';
import { sdkPackage } from './sdk-package.js';
import type { WireTransportName } from './transport-names.js';

/** The SDK's way to DPS by MQTT, over TLS or over WebSocket. */
export function openMqttDps(transport: WireTransportName): OpenDpsLine {
  const { Mqtt, MqttWs } = sdkPackage('azure-iot-provisioning-device-mqtt');
  return async ({ request, clock, signal, tell, fail }) => {
    const dialled = await dial(request, clock, signal);
    if (dialled.outcome !== 'open') return dialled;
    const watched: WatchedBase = new WatchedBase(
      'azure-iot-provisioning-device-mqtt',
      { socket: dialled.socket, transport },
      {
        onConnect: () => tell('connected'),
        onClose: () =>
          fail(watched.networkError === undefined ? dropped('DPS closed the connection') : sortConnectionError(watched.networkError)),
        onMessage(topic, payload, forward) {
          const response = parseDpsResponse(topic);
          if (response === undefined) return;
          const reply = readDpsReply(response.status, parseJson(payload), response.retryAfter);
          if (reply.outcome === 'poll') tell('assigning');
          if (reply.outcome === 'poll' || reply.outcome === 'assigned') forward(payload);
          else fail(reply);
        },
      },
    );
    const Transport = transport === 'mqtt' ? Mqtt : MqttWs;
    const line = new Transport(watched.base as unknown as ConstructorParameters<typeof Mqtt>[0]);
    // Emitted when the socket is lost while no call is in flight; without a listener it would end the process.
    line.on('error', (error) => fail(sortSdkError(error)));
    return {
      transport: line,
      networkError: () => watched.networkError,
      hangUp: (clock) => watched.hangUp(clock),
      cut: () => watched.cut(),
    };
  };
}
