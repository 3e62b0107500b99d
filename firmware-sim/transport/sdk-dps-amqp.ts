import { dial } from './dial.js';
import { dropped, invalid, sortConnectionError } from './evidence.js';
import { retryAfterOf, sortAmqpError } from './evidence-amqp.js';
import { readDpsReply } from './replies.js';
import { WatchedAmqpBase } from './sdk-amqp-base.js';
import type { OpenDpsLine } from './sdk-dps-line.js';
import { sdkPackage } from './sdk-package.js';

/** The SDK's way to DPS by AMQP, over TLS or over WebSocket. */
export function openAmqpDps(transport: 'amqp' | 'amqp-ws'): OpenDpsLine {
  const { Amqp, AmqpWs } = sdkPackage('azure-iot-provisioning-device-amqp');
  return async ({ request, clock, signal, tell, fail }) => {
    const dialled = await dial(request, clock, signal);
    if (dialled.outcome !== 'open') return dialled;
    let open = false;
    const watched: WatchedAmqpBase = new WatchedAmqpBase(
      'azure-iot-provisioning-device-amqp',
      { socket: dialled.socket, transport },
      {
        onOpen() {
          open = true;
          tell('connected');
        },
        onClose() {
          if (watched.networkError !== undefined) fail(sortConnectionError(watched.networkError));
          // A TPM that is refused is refused in the SASL exchange, and then the connection ends: so it does when it drops.
          else if (!open && request.attestation.kind !== 'x509')
            fail({ outcome: 'ambiguous', detail: 'DPS closed the connection while the device was signing in' });
          else fail(dropped('DPS closed the connection'));
        },
        onRefusal: (error) => fail(sortAmqpError(error, watched.networkError)),
        onGarbage: () => fail(invalid('DPS answered with something that is no JSON')),
        onMessage({ application_properties: properties }, body) {
          const reply = readDpsReply(200, body, retryAfterOf(properties));
          if (reply.outcome === 'poll') tell('assigning');
          if (reply.outcome === 'poll' || reply.outcome === 'assigned') return true;
          fail(reply);
          return false;
        },
      },
    );
    const Transport = transport === 'amqp' ? Amqp : AmqpWs;
    const line = new Transport(watched.base as unknown as ConstructorParameters<typeof Amqp>[0]);
    line.on('error', (error) => fail(sortAmqpError(error, watched.networkError)));
    return {
      transport: line,
      networkError: () => watched.networkError,
      hangUp: (clock) => watched.hangUp(clock),
      cut: () => watched.cut(),
    };
  };
}
