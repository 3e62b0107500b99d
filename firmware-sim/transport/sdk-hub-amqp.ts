import { parseSas } from '@zerotouch/azure-wire/sas';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { TransportConfig } from 'azure-iot-common';
import { WEB_SOCKET_PATH } from './address.js';
import { invalid } from './evidence.js';
import { sortAmqpError } from './evidence-amqp.js';
import { WatchedAmqpBase } from './sdk-amqp-base.js';
import type { HubLine, OpenHubLine } from './sdk-hub-line.js';
import { type SdkPackages, sdkPackage } from './sdk-package.js';

/** The SDK's way to a hub by AMQP, over TLS or over WebSocket. */
export function openAmqpHub(transport: 'amqp' | 'amqp-ws'): OpenHubLine {
  const { Amqp } = sdkPackage('azure-iot-device-amqp');
  const Transport = transport === 'amqp' ? Amqp : overWebSocket(Amqp);
  return (socket, provider, { onClose, fail, reading }) => {
    const watched = new WatchedAmqpBase(
      'azure-iot-device-amqp',
      { socket, transport },
      {
        onClose,
        onEnd: (error) => fail(sortAmqpError(error, watched.networkError)),
        onGarbage: () => fail(invalid('the hub sent a message that is no JSON')),
        onMessage(message, body, address) {
          const status: unknown = Reflect.get(Object(Reflect.get(message, 'message_annotations')), 'status');
          const isChange = address.endsWith('/twin') && Reflect.get(message, 'correlation_id') === undefined;
          if (isChange && !isJsonObject(body)) {
            fail(invalid('the hub sent a change of the desired properties that is none'));
            return false;
          }
          // The SDK would parse even what is not there.
          if (body === undefined) Reflect.deleteProperty(message, 'body');
          reading({ status: typeof status === 'number' ? status : 200, body });
          setImmediate(() => reading(undefined));
          return true;
        },
      },
    );
    const line = new Transport(provider, watched.base as unknown as ConstructorParameters<typeof Amqp>[1]);
    return {
      transport: line as unknown as HubLine['transport'],
      ambiguous: false,
      networkError: () => watched.networkError,
      renewsInPlace: true,
      // Below the SDK's transport, which would put it twice and hang up when it is refused.
      renew: (token) =>
        new Promise((resolve) =>
          watched.base.putToken(parseSas(token).resource, token, (error) =>
            resolve(error ? sortAmqpError(error, watched.networkError) : undefined),
          ),
        ),
      hangUp: (clock) => watched.hangUp(clock),
      cut: () => watched.cut(),
    };
  };
}

/** The SDK's own AmqpWs takes no base, and so no connection but one that it opens itself. */
function overWebSocket(Amqp: SdkPackages['azure-iot-device-amqp']['Amqp']): typeof Amqp {
  return class AmqpOverWebSocket extends Amqp {
    protected override _getConnectionUri({ gatewayHostName, host }: TransportConfig): string {
      return `wss://${gatewayHostName ?? host}:443${WEB_SOCKET_PATH}`;
    }
  };
}
