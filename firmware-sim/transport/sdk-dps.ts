import type { Clock } from '@zerotouch/foundation/clock';
import type { DpsOutcome, DpsPort, DpsProgress } from '../boot/ports.js';
import { dpsAddress, sdkHost } from './address.js';
import { invalid, timedOut } from './evidence.js';
import { sortAmqpError } from './evidence-amqp.js';
import { Lifeline } from './lifeline.js';
import { readAssignment } from './replies.js';
import { openAmqpDps } from './sdk-dps-amqp.js';
import { openHttpDps } from './sdk-dps-http.js';
import type { DpsLine, OpenDpsLine } from './sdk-dps-line.js';
import { openMqttDps } from './sdk-dps-mqtt.js';
import { sdkPackage } from './sdk-package.js';
import { PollingTransport } from './sdk-polling.js';
import { securityClient } from './sdk-security.js';
import { dpsToken } from './sign-in.js';
import type { TransportName } from './transport-names.js';
import { loadTransport, TransportFault } from './transport-package.js';

/**
 * DPS over the official clients. Left alone the SDK repeats a 429 or a 5xx for ever, and reconnects unseen after a drop between two
 * polls: here each ends the attempt with what was seen, and when to try again is the boot machine's to decide.
 */
export function createSdkDps({ clock, transport = 'mqtt' }: { clock: Clock; transport?: TransportName }): DpsPort {
  return {
    async register({ identity, endpoint, payload }, progress, signal) {
      if (signal.aborted) return timedOut();
      const { attestation } = identity;
      if (attestation.kind === 'tpm' && transport.startsWith('mqtt'))
        return invalid('DPS takes no TPM over MQTT: use the transport amqp, amqp-ws or http');
      const address = dpsAddress(endpoint, transport);
      const { ProvisioningDeviceClient } = sdkPackage('azure-iot-provisioning-device');
      const life = new Lifeline();
      const open = await openerOf(transport).catch((error: unknown) => {
        if (error instanceof TransportFault) return invalid(error.message);
        throw error;
      });
      if ('outcome' in open) return open;
      const opened = await open({
        request: { ...endpoint, ...address, attestation },
        clock,
        signal,
        tell: connectedOnce(progress),
        fail: (failure) => life.lose(failure),
        failed: () => life.end !== undefined,
      });
      if ('outcome' in opened) return opened;
      const outcome = await register(opened, life);
      await (signal.aborted ? opened.cut() : opened.hangUp(clock));
      return outcome;

      async function register(line: DpsLine, life: Lifeline): Promise<DpsOutcome> {
        const renewToken = async () => (await dpsToken(identity, clock)) ?? '';
        const polling = new PollingTransport(line.transport, clock, renewToken, () => progress('polling'));
        const client = ProvisioningDeviceClient.create(
          sdkHost(address, transport),
          identity.idScope,
          polling,
          await securityClient(identity, clock),
        );
        if (payload !== undefined) client.setProvisioningPayload(payload);
        const outcome = await life.during<DpsOutcome>(signal, (answer) => {
          const failed = (error: unknown): void => answer(sortAmqpError(error, line.networkError()));
          try {
            client.register((error, result) => (error ? failed(error) : answer(readResult(result))));
          } catch (error) {
            failed(error);
          }
          return undefined;
        });
        life.close();
        polling.end();
        return outcome;
      }
    },
  };
}

// For a TPM the SDK hands out the whole status, else its registration state alone.
function readResult(result: unknown): DpsOutcome {
  const state: unknown = Reflect.get(Object(result), 'registrationState');
  return readAssignment(Object(state ?? result));
}

/** Loaded when first needed: AMQP and HTTPS are packages of their own, which a device that speaks MQTT need not have. */
async function openerOf(transport: TransportName): Promise<OpenDpsLine> {
  switch (transport) {
    case 'mqtt':
    case 'mqtt-ws':
      return openMqttDps(transport);
    case 'amqp':
    case 'amqp-ws':
      return loadTransport(transport, () => openAmqpDps(transport));
    case 'http':
      return loadTransport(transport, () => openHttpDps());
  }
}

// Over HTTPS a connection may end between two polls, and be made anew.
function connectedOnce(progress: (sign: DpsProgress) => void): (sign: DpsProgress) => void {
  let connected = false;
  return (sign) => {
    if (sign === 'connected' && connected) return;
    connected = true;
    progress(sign);
  };
}
