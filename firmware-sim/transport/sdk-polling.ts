import type { Clock } from '@zerotouch/foundation/clock';
import type { X509 } from 'azure-iot-common';
import type {
  DeviceRegistrationResult,
  RegistrationRequest,
  SymmetricKeyProvisioningTransport,
  TpmProvisioningTransport,
  X509ProvisioningTransport,
} from 'azure-iot-provisioning-device';
import { POLL_INTERVAL_MS } from './replies.js';

type Callback = Parameters<X509ProvisioningTransport['registrationRequest']>[1];

/** A transport of the SDK. Those for AMQP and HTTPS take a TPM too. */
export type SdkTransport = X509ProvisioningTransport & SymmetricKeyProvisioningTransport & Partial<TpmProvisioningTransport>;

type Challenged = Parameters<TpmProvisioningTransport['getAuthenticationChallenge']>[1];
type Responded = Parameters<TpmProvisioningTransport['respondToAuthenticationChallenge']>[2];

/**
 * How long the SDK is kept waiting for one answer at most, milliseconds: it gives up on a transport after 30 s of its own time, and
 * DPS may ask for a longer pause.
 */
const HOLD_MS = 20_000;

/**
 * The SDK's transport with the pauses between polls taken out of the SDK's hands: it waits on timers that it never gives back when a
 * registration is called off. Here they are the device's own, and {@link end} ends whatever goes on.
 */
export class PollingTransport implements X509ProvisioningTransport, SymmetricKeyProvisioningTransport {
  readonly #inner: SdkTransport;
  readonly #clock: Clock;
  readonly #asked: () => void;
  readonly #token: () => Promise<string>;
  readonly #over = new AbortController();
  #pending: Callback | undefined;
  #dueAt = 0;

  /**
   * @param token signs what answers a TPM's challenge: the SDK's own is good for an hour of the machine's time, not of the device's
   * @param asked told each time DPS is asked how far it is
   */
  constructor(inner: SdkTransport, clock: Clock, token: () => Promise<string> = async () => '', asked: () => void = () => undefined) {
    this.#inner = inner;
    this.#clock = clock;
    this.#asked = asked;
    this.#token = token;
  }

  /** Ends the call in flight and refuses every later one; the SDK unwinds and keeps no timer. */
  end(): void {
    this.#over.abort();
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.(new Error('the attempt to register is over'));
  }

  registrationRequest(request: RegistrationRequest, callback: Callback): void {
    this.#run(callback, (answer) => this.#inner.registrationRequest(request, answer));
  }

  queryOperationStatus(request: RegistrationRequest, operationId: string, callback: Callback): void {
    const left = this.#dueAt - this.#clock.monotonic();
    if (left <= 0) {
      this.#asked();
      this.#run(callback, (answer) => this.#inner.queryOperationStatus(request, operationId, answer));
      return;
    }
    const still: DeviceRegistrationResult = { operationId, status: 'assigning' };
    this.#run(callback, () => {
      this.#clock.wait(Math.min(left, HOLD_MS), this.#over.signal).then(
        () => this.#answer(callback, undefined, still),
        () => undefined,
      );
    });
  }

  cancel(callback: (error?: Error) => void): void {
    callback();
  }

  // The connection is ended from below, where no acknowledgement is waited for.
  disconnect(callback: (error?: Error) => void): void {
    callback();
  }

  setAuthentication(auth: X509): void {
    this.#inner.setAuthentication(auth);
  }

  setSharedAccessSignature(sas: string): void {
    this.#inner.setSharedAccessSignature(sas);
  }

  setTpmInformation(endorsementKey: Buffer, storageRootKey: Buffer): void {
    this.#inner.setTpmInformation?.(endorsementKey, storageRootKey);
  }

  getAuthenticationChallenge(request: RegistrationRequest, callback: Challenged): void {
    this.#inner.getAuthenticationChallenge?.(request, callback);
  }

  respondToAuthenticationChallenge(request: RegistrationRequest, _sasToken: string, callback: Responded): void {
    this.#token().then(
      (token) => this.#inner.respondToAuthenticationChallenge?.(request, token, callback),
      (error: Error) => callback(error),
    );
  }

  setTransportOptions(options: Parameters<X509ProvisioningTransport['setTransportOptions']>[0]): void {
    this.#inner.setTransportOptions(options);
  }

  #run(callback: Callback, start: (answer: Callback) => void): void {
    if (this.#over.signal.aborted) {
      callback(new Error('the attempt to register is over'));
      return;
    }
    this.#pending = callback;
    start((error, result, _response, pollingInterval) => {
      this.#dueAt = this.#clock.monotonic() + (pollingInterval ?? POLL_INTERVAL_MS);
      this.#answer(callback, error ?? undefined, result);
    });
  }

  #answer(callback: Callback, error: Error | undefined, result: DeviceRegistrationResult | undefined): void {
    if (this.#pending !== callback) return;
    this.#pending = undefined;
    callback(error, result, undefined, 0);
  }
}
