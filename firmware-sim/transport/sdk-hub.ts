import { parseHubDelivery } from '@zerotouch/azure-wire/hub-mqtt';
import { parseJson } from '@zerotouch/azure-wire/json';
import { hubResource } from '@zerotouch/azure-wire/sas';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import common, { type AuthenticationProvider, type TransportConfig } from 'azure-iot-common';
import device from 'azure-iot-device';
import { Mqtt } from 'azure-iot-device-mqtt';
import type { Assignment } from '../boot/kept.js';
import type { Endpoint, Failure, HubPort, HubSession } from '../boot/ports.js';
import type { Identity } from '../identity/identity.js';
import { invalid, sortSdkError, timedOut } from './evidence.js';
import { Lifeline } from './lifeline.js';
import { readDesired, readReportReply, readTwinReply } from './replies.js';
import { WatchedBase } from './sdk-base.js';
import { hostAndPort, tokenExpiry } from './sign-in.js';
import { CONTENT, encodeTelemetry } from './telemetry.js';

// Node finds no names in these CommonJS modules.
const { Message, NoRetry, SharedAccessSignature } = common;
const { Client, SharedAccessSignatureAuthenticationProvider, X509AuthenticationProvider } = device;

/**
 * A hub over the official client, without its retries: a loss is told, never mended unseen. `connected` means that the subscription
 * to the desired properties stands. A token is good for an hour; then the hub ends the connection, which is a loss like any other.
 */
export function createSdkHub({ clock }: { clock: Clock }): HubPort {
  return {
    async connect({ identity, endpoint, assignment }, signal) {
      if (signal.aborted) return timedOut();
      const session = new SdkSession(authentication(identity, endpoint, assignment, clock), endpoint.ca, clock);
      const opened = await session.open(signal);
      if (opened.outcome === 'open') return { outcome: 'connected', session };
      await session.cut();
      return opened;
    },
  };
}

function authentication(
  { attestation }: Identity,
  endpoint: Endpoint,
  { hub, deviceId }: Assignment,
  clock: Clock,
): AuthenticationProvider {
  const where: TransportConfig = {
    host: hub,
    deviceId,
    ...(endpoint.gateway === undefined ? {} : { gatewayHostName: hostAndPort(endpoint.gateway) }),
  };
  if (attestation.kind === 'x509') {
    return new X509AuthenticationProvider({ ...where, x509: { cert: attestation.certificate, key: attestation.privateKey } });
  }
  const key = Buffer.from(attestation.key).toString('base64');
  // Not the SDK's shared-access-key provider: it signs with the machine's time and reconnects in secret to renew.
  const token = SharedAccessSignature.create(encodeURIComponent(hubResource(hub, deviceId)), '', key, tokenExpiry(clock));
  return new SharedAccessSignatureAuthenticationProvider({ ...where, sharedAccessSignature: token.toString() });
}

class SdkSession implements HubSession {
  readonly #life = new Lifeline();
  readonly #clock: Clock;
  readonly #watched: WatchedBase;
  readonly #transport: Mqtt;
  readonly #client: InstanceType<typeof Client>;
  /** The twin reply that the SDK is reading right now. */
  #reply: { status: number; body: unknown } | undefined;
  /** Before, what the client makes of a failure is all there is to go by. */
  #opened = false;
  #closing: Promise<void> | undefined;

  constructor(provider: AuthenticationProvider, ca: string | undefined, clock: Clock) {
    this.#clock = clock;
    this.#watched = new WatchedBase('azure-iot-device-mqtt', {
      ca,
      onClose: () => this.#opened && this.#life.lose(this.#failure(new LostConnection())),
      onMessage: (...message) => this.#hear(...message),
    });
    this.#transport = new Mqtt(provider, this.#watched.base);
    this.#client = new Client(this.#transport);
    this.#client.setRetryPolicy(new NoRetry());
    this.#client.on('disconnect', () => this.#opened && this.#life.lose(this.#failure(new LostConnection())));
    this.#client.on('error', (error) => this.#life.lose(this.#failure(error)));
    this.#life.onLost(() => void this.#watched.cut());
  }

  async open(signal: AbortSignal): Promise<{ outcome: 'open' } | Failure> {
    const opened = await this.#life.during<{ outcome: 'open' }>(signal, (answer) => {
      this.#client.open((error) => {
        if (error) answer(sortSdkError(error, { firstConnect: true, network: this.#watched.networkError }));
        else answer({ outcome: 'open' });
      });
      return undefined;
    });
    if (opened.outcome !== 'open') return opened;
    this.#opened = true;
    // The client's own twin tells the whole document and a change by one event, and not when its subscription stands.
    return this.#life.during<{ outcome: 'open' }>(signal, (answer) => {
      this.#transport.enableTwinDesiredPropertiesUpdates((error) => answer(error ? this.#failure(error) : { outcome: 'open' }));
      return undefined;
    });
  }

  getTwin(signal: AbortSignal): ReturnType<HubSession['getTwin']> {
    return this.#life.during(signal, (answer) => {
      this.#transport.getTwin((error) => answer(this.#read(error, readTwinReply)));
      return undefined;
    });
  }

  report(patch: JsonObject, signal: AbortSignal): ReturnType<HubSession['report']> {
    return this.#life.during(signal, (answer) => {
      this.#transport.updateTwinReportedProperties(patch, (error) => answer(this.#read(error, readReportReply)));
      return undefined;
    });
  }

  async send(message: JsonObject, signal: AbortSignal): ReturnType<HubSession['send']> {
    const encoded = encodeTelemetry(message);
    if (encoded.outcome !== 'encoded') return encoded;
    const telemetry = new Message(encoded.text);
    telemetry.contentType = CONTENT.type;
    telemetry.contentEncoding = CONTENT.encoding;
    return this.#life.during<{ outcome: 'sent' }>(signal, (answer) => {
      this.#client.sendEvent(telemetry, (error) => answer(error ? this.#failure(error) : { outcome: 'sent' }));
      return undefined;
    });
  }

  onDesired(listener: (patch: JsonObject & { $version: number }) => void): void {
    this.#transport.on('twinDesiredPropertiesUpdate', listener);
  }

  onLost(listener: (failure: Failure) => void): void {
    this.#life.onLost(listener);
  }

  close(): Promise<void> {
    this.#life.close();
    this.#closing ??= this.#watched.hangUp(this.#clock);
    return this.#closing;
  }

  /** Frees every socket at once. */
  cut(): Promise<void> {
    this.#life.close();
    return this.#watched.cut();
  }

  #hear(topic: string, payload: Uint8Array, forward: (payload: Uint8Array) => void): void {
    const delivery = parseHubDelivery(topic);
    if (delivery?.kind === 'twin-response') {
      const body = parseJson(payload);
      this.#reply = { status: delivery.status, body };
      // The SDK reads the body only to find an error in it; the reply itself is read here, with its status.
      forward(Buffer.from(JSON.stringify(body ?? {})));
      this.#reply = undefined;
    } else if (delivery?.kind === 'desired') {
      const patch = readDesired(parseJson(payload), delivery.version);
      // A change that is skipped would leave the device on an old configuration: a new session pulls the whole twin.
      if (patch === undefined) this.#life.lose(invalid('the hub sent a change of the desired properties that is no JSON object'));
      else forward(Buffer.from(JSON.stringify(patch)));
    }
  }

  #read<T>(error: unknown, read: (status: number, body: unknown) => T | Failure): T | Failure {
    return this.#reply === undefined ? this.#failure(error) : read(this.#reply.status, this.#reply.body);
  }

  #failure(error: unknown): Failure {
    const failure = sortSdkError(error, { network: this.#watched.networkError });
    return failure.outcome === 'unreachable' ? { ...failure, outcome: 'dropped' } : failure;
  }
}

class LostConnection extends Error {
  override readonly name = 'NotConnectedError';
  constructor() {
    super('the connection to the hub was lost');
  }
}
