import { dial } from './dial.js';
import { invalid, sortConnectionError } from './evidence.js';
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
    const signsIn = request.attestation.kind !== 'x509';
    // Whoever is refused, or throttled, in the SASL exchange hears one word for all of it, or none before the connection ends.
    const turnedDown = (error: unknown): void => {
      const failure = sortAmqpError(error, watched.networkError);
      const unclear = failure.outcome === 'dropped' || (failure.outcome === 'refused' && failure.code === undefined);
      fail(signsIn && !open && unclear ? { ...failure, outcome: 'ambiguous', detail: `while signing in: ${failure.detail}` } : failure);
    };
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
          else turnedDown(new LostConnection());
        },
        onRefusal: turnedDown,
        onEnd: turnedDown,
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

class LostConnection extends Error {
  override readonly name = 'NotConnectedError';
  constructor() {
    super('DPS closed the connection');
  }
}
