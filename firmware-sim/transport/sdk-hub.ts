import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { AuthenticationProvider, TransportConfig } from 'azure-iot-common';
import type { Client } from 'azure-iot-device';
import type { Assignment } from '../boot/kept.js';
import type { Failure, HubPort, HubSession, MethodCall } from '../boot/ports.js';
import type { Identity } from '../identity/identity.js';
import { hubAddress, sdkHost } from './address.js';
import { DesiredVersions } from './desired-versions.js';
import { dial } from './dial.js';
import { invalid, sortSdkError } from './evidence.js';
import { sortAmqpError } from './evidence-amqp.js';
import { type HubSignIn, signInToHub } from './hub-sign-in.js';
import { Lifeline } from './lifeline.js';
import { readReportReply, readTwinReply } from './replies.js';
import { openAmqpHub } from './sdk-hub-amqp.js';
import type { HubLine, OpenHubLine, TwinReply } from './sdk-hub-line.js';
import { openMqttHub } from './sdk-hub-mqtt.js';
import { sdkPackage } from './sdk-package.js';
import { CONTENT, encodeTelemetry } from './telemetry.js';
import { TokenRenewal } from './token-renewal.js';
import type { HubTransportName } from './transport-names.js';
import { loadTransport, TransportFault } from './transport-package.js';

/**
 * A hub over the official client, without its retries: a loss is told, never mended unseen. `connected` means that the subscription
 * to the desired properties stands. A token is renewed before it ends: {@link TokenRenewal}.
 */
export function createSdkHub({ clock, transport = 'mqtt' }: { clock: Clock; transport?: HubTransportName }): HubPort {
  return {
    async connect({ identity, endpoint, assignment }, signal) {
      const address = hubAddress(endpoint, assignment.hub, transport);
      const signed = await signInToHub(identity, assignment, clock);
      if (signed.outcome !== 'signed') return signed;
      const open = await openerOf(transport);
      if ('outcome' in open) return open;
      // Now, and not while a server waits for the first word.
      sdkPackage('azure-iot-device');
      const redial = (until: AbortSignal) => dial({ ...endpoint, ...address, attestation: identity.attestation }, clock, until);
      const dialled = await redial(signal);
      if (dialled.outcome !== 'open') return dialled;
      const provider = authentication(
        identity,
        endpoint.gateway === undefined ? undefined : sdkHost(address, transport),
        assignment,
        signed.token,
      );
      const session = new SdkSession((watch) => open(dialled.socket, provider, watch, redial), clock);
      const opened = await session.open(signal);
      if (opened.outcome === 'open') {
        if (signed.token !== undefined) session.renewTokens(() => signInToHub(identity, assignment, clock));
        return { outcome: 'connected', session };
      }
      await session.cut();
      return opened;
    },
  };
}

/** Loaded when first needed: AMQP is a package of its own, which a device that speaks MQTT need not have. */
async function openerOf(transport: HubTransportName): Promise<OpenHubLine | Failure> {
  if (transport === 'mqtt' || transport === 'mqtt-ws') return openMqttHub(transport);
  try {
    return loadTransport(transport, () => openAmqpHub(transport));
  } catch (error) {
    if (error instanceof TransportFault) return invalid(error.message);
    throw error;
  }
}

function authentication(
  { attestation }: Identity,
  gateway: string | undefined,
  { hub, deviceId }: Assignment,
  token: string | undefined,
): AuthenticationProvider {
  const where: TransportConfig = { host: hub, deviceId, ...(gateway === undefined ? {} : { gatewayHostName: gateway }) };
  const { SharedAccessSignatureAuthenticationProvider, X509AuthenticationProvider } = sdkPackage('azure-iot-device');
  // Not the SDK's shared-access-key provider: it signs with the machine's time and reconnects in secret to renew.
  if (attestation.kind !== 'x509') return new SharedAccessSignatureAuthenticationProvider({ ...where, sharedAccessSignature: token ?? '' });
  return new X509AuthenticationProvider({ ...where, x509: { cert: attestation.certificate, key: attestation.privateKey } });
}

/** A session over the official client. */
export class SdkSession implements HubSession {
  readonly #life = new Lifeline();
  readonly #clock: Clock;
  readonly #line: HubLine;
  readonly #client: Client;
  /** The twin reply that the SDK is reading right now. */
  #reply: TwinReply | undefined;
  /** Before, what the client makes of a failure is all there is to go by. */
  #opened = false;
  #closing: Promise<void> | undefined;
  #renewal: TokenRenewal | undefined;
  readonly #desired = new DesiredVersions();

  constructor(open: (watch: Parameters<OpenHubLine>[2]) => HubLine, clock: Clock) {
    this.#clock = clock;
    const { NoRetry } = sdkPackage('azure-iot-common');
    const { Client } = sdkPackage('azure-iot-device');
    this.#line = open({
      onClose: () => this.#closed(),
      fail: (failure) => this.#life.lose(failure),
      reading: (reply) => {
        this.#reply = reply;
      },
    });
    this.#client = new Client(this.#line.transport);
    this.#client.setRetryPolicy(new NoRetry());
    this.#client.on('disconnect', () => this.#opened && this.#life.lose(this.#failure(new LostConnection())));
    this.#client.on('error', (error) => this.#life.lose(this.#failure(error)));
    this.#life.onLost(() => void this.#line.cut());
  }

  get client(): Client {
    return this.#client;
  }

  async open(signal: AbortSignal): Promise<{ outcome: 'open' } | Failure> {
    const opened = await this.#life.during<{ outcome: 'open' }>(signal, (answer) => {
      this.#client.open((error) => answer(error ? this.#signInFailure(error) : { outcome: 'open' }));
      return undefined;
    });
    if (opened.outcome !== 'open') return opened;
    this.#opened = true;
    // The client's own twin tells the whole document and a change by one event, and not when its subscription stands.
    return this.#life.during<{ outcome: 'open' }>(signal, (answer) => {
      this.#line.transport.enableTwinDesiredPropertiesUpdates((error) => answer(error ? this.#failure(error) : { outcome: 'open' }));
      return undefined;
    });
  }

  /** Keeps the session signed in. @param sign makes a token */
  renewTokens(sign: () => Promise<HubSignIn>): void {
    const line = this.#line;
    this.#renewal = new TokenRenewal({
      clock: this.#clock,
      life: this.#life,
      inPlace: line.renewsInPlace,
      renew: async (signal) => {
        const signed = await sign();
        if (signed.outcome !== 'signed') return signed;
        const failure = await line.renew(signed.token ?? '', signal);
        if (failure === undefined && !line.renewsInPlace) this.#desired.compare(await this.#pull(signal));
        return failure;
      },
    });
  }

  getTwin(signal: AbortSignal): ReturnType<HubSession['getTwin']> {
    return this.#whole(async () => this.#desired.pulled(await this.#pull(signal)));
  }

  #pull(signal: AbortSignal): ReturnType<HubSession['getTwin']> {
    return this.#life.during(signal, (answer) => {
      this.#line.transport.getTwin((error) => answer(this.#read(error, readTwinReply)));
      return undefined;
    });
  }

  report(patch: JsonObject, signal: AbortSignal): ReturnType<HubSession['report']> {
    return this.#whole(() =>
      this.#life.during(signal, (answer) => {
        this.#line.transport.updateTwinReportedProperties(patch, (error) => answer(this.#read(error, readReportReply)));
        return undefined;
      }),
    );
  }

  async send(message: JsonObject, signal: AbortSignal): ReturnType<HubSession['send']> {
    const encoded = encodeTelemetry(message);
    if (encoded.outcome !== 'encoded') return encoded;
    const { Message } = sdkPackage('azure-iot-common');
    const telemetry = new Message(encoded.text);
    telemetry.contentType = CONTENT.type;
    telemetry.contentEncoding = CONTENT.encoding;
    return this.#whole(() =>
      this.#life.during<{ outcome: 'sent' }>(signal, (answer) => {
        this.#client.sendEvent(telemetry, (error) => answer(error ? this.#failure(error) : { outcome: 'sent' }));
        return undefined;
      }),
    );
  }

  onDesired(listener: (patch: JsonObject & { $version: number }) => void): void {
    this.#line.transport.on('twinDesiredPropertiesUpdate', (patch) => listener(this.#desired.changed(patch)));
  }

  onMissed(listener: () => void): void {
    this.#desired.onMissed(listener);
  }

  onLost(listener: (failure: Failure) => void): void {
    this.#life.onLost(listener);
  }

  onMethod(names: readonly string[], listener: (call: MethodCall) => void): void {
    for (const name of names) {
      this.#client.onDeviceMethod(name, ({ payload }, response) =>
        listener({
          name,
          payload: payload ?? undefined,
          // A session that is gone cannot answer: whoever called is told so by the hub.
          respond: (status, answer) => new Promise((resolve) => response.send(status, answer, () => resolve())),
        }),
      );
    }
  }

  close(): Promise<void> {
    this.#life.close();
    this.#closing ??= this.#line.hangUp(this.#clock);
    return this.#closing;
  }

  /** Frees every socket at once. */
  cut(): Promise<void> {
    this.#life.close();
    return this.#line.cut();
  }

  #whole<T>(call: () => Promise<T>): Promise<T> {
    return this.#renewal === undefined ? call() : this.#renewal.during(call);
  }

  #closed(): void {
    const error = new LostConnection();
    if (this.#opened) this.#life.lose(this.#failure(error));
    // What the client says of it comes first, if it says anything: it may not have looked at the connection yet.
    else setImmediate(() => this.#life.lose(this.#signInFailure(error)));
  }

  #read<T>(error: unknown, read: (status: number, body: unknown) => T | Failure): T | Failure {
    return this.#reply === undefined ? this.#failure(error) : read(this.#reply.status, this.#reply.body);
  }

  #signInFailure(error: unknown): Failure {
    const network = this.#line.networkError();
    return this.#line.ambiguous ? sortSdkError(error, { firstConnect: true, network }) : sortAmqpError(error, network);
  }

  #failure(error: unknown): Failure {
    const failure = sortAmqpError(error, this.#line.networkError());
    return failure.outcome === 'unreachable' ? { ...failure, outcome: 'dropped' } : failure;
  }
}

class LostConnection extends Error {
  override readonly name = 'NotConnectedError';
  constructor() {
    super('the connection to the hub was lost');
  }
}
