import { parseDpsResponse } from '@zerotouch/azure-wire/dps-mqtt';
import { parseJson } from '@zerotouch/azure-wire/json';
import type { Clock } from '@zerotouch/foundation/clock';
import provisioning from 'azure-iot-provisioning-device';
import { Mqtt } from 'azure-iot-provisioning-device-mqtt';
import { SymmetricKeySecurityClient } from 'azure-iot-security-symmetric-key';
import { X509Security } from 'azure-iot-security-x509';
import type { DpsOutcome, DpsPort, DpsProgress } from '../boot/ports.js';
import type { Identity } from '../identity/identity.js';
import { dropped, sortConnectionError, sortSdkError, timedOut } from './evidence.js';
import { Lifeline } from './lifeline.js';
import { readAssignment, readDpsReply } from './replies.js';
import { WatchedBase } from './sdk-base.js';
import { PollingTransport } from './sdk-polling.js';
import { hostAndPort, tokenExpiry } from './sign-in.js';

// Node finds no names in this CommonJS module.
const { ProvisioningDeviceClient } = provisioning;

type SecurityClient = Parameters<typeof ProvisioningDeviceClient.create>[3];

/**
 * DPS over the official clients. Left alone the SDK repeats a 429 or a 5xx for ever, and reconnects unseen after a drop between two
 * polls: here each ends the attempt with what was seen, and when to try again is the boot machine's to decide.
 */
export function createSdkDps({ clock }: { clock: Clock }): DpsPort {
  return {
    async register({ identity, endpoint, payload }, progress, signal) {
      if (signal.aborted) return timedOut();
      const life = new Lifeline();
      const tell = firstTimeOnly(progress);
      const watched: WatchedBase = new WatchedBase('azure-iot-provisioning-device-mqtt', {
        ca: endpoint.ca,
        onConnect: () => tell('connected'),
        onClose: () =>
          life.lose(watched.networkError === undefined ? dropped('DPS closed the connection') : sortConnectionError(watched.networkError)),
        onMessage(topic, payload, forward) {
          const response = parseDpsResponse(topic);
          if (response === undefined) return;
          const reply = readDpsReply(response.status, parseJson(payload), response.retryAfter);
          if (reply.outcome === 'poll') tell('assigning');
          if (reply.outcome === 'poll' || reply.outcome === 'assigned') forward(payload);
          else life.lose(reply);
        },
      });
      const mqtt = new Mqtt(watched.base as unknown as ConstructorParameters<typeof Mqtt>[0]);
      // Emitted when the socket is lost while no call is in flight; without a listener it would end the process.
      mqtt.on('error', (error) => life.lose(sortSdkError(error)));
      const transport = new PollingTransport(mqtt, clock);
      const host = hostAndPort({ host: endpoint.dpsHost, port: endpoint.dpsPort });
      const client = ProvisioningDeviceClient.create(host, identity.idScope, transport, securityClient(identity, clock));
      if (payload !== undefined) client.setProvisioningPayload(payload);

      const outcome = await life.during<DpsOutcome>(signal, (answer) => {
        const failed = (error: unknown): void => answer(sortSdkError(error, { network: watched.networkError }));
        try {
          client.register((error, result) => (error ? failed(error) : answer(readAssignment(result))));
        } catch (error) {
          failed(error);
        }
        return undefined;
      });
      life.close();
      transport.end();
      await (signal.aborted ? watched.cut() : watched.hangUp(clock));
      return outcome;
    },
  };
}

// The SDK's packages declare their signatures by copies of one class that the compiler must hold apart.
function securityClient({ attestation, registrationId }: Identity, clock: Clock): SecurityClient {
  if (attestation.kind === 'x509') return new X509Security(registrationId, { cert: attestation.certificate, key: attestation.privateKey });
  const key = Buffer.from(attestation.key).toString('base64');
  return new ClockedKeyClient(registrationId, key, clock) as unknown as SecurityClient;
}

/** The SDK signs for an hour of the machine's time; a device's clock may be another. */
class ClockedKeyClient extends SymmetricKeySecurityClient {
  readonly #clock: Clock;

  constructor(registrationId: string, key: string, clock: Clock) {
    super(registrationId, key);
    this.#clock = clock;
  }

  override createSharedAccessSignature(
    ...[idScope, callback]: Parameters<SymmetricKeySecurityClient['createSharedAccessSignature']>
  ): void {
    super.createSharedAccessSignature(idScope, (error, signature) => {
      signature?.extend(tokenExpiry(this.#clock));
      callback?.(error, signature);
    });
  }
}

function firstTimeOnly(progress: (sign: DpsProgress) => void): (sign: DpsProgress) => void {
  const told = new Set<DpsProgress>();
  return (sign) => {
    if (told.has(sign)) return;
    told.add(sign);
    progress(sign);
  };
}
