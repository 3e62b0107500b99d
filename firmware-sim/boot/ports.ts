import type { X509Certificate } from 'node:crypto';
import type { DeviceTwinDocument, JsonObject } from '@zerotouch/azure-wire/twin';
import type { AppSlots } from '@zerotouch/flash-image/app-slots';
import type { Identity } from '../identity/identity.js';
import type { AppliedConfig, Assignment } from './kept.js';
import type { Memory } from './memory.js';

/**
 * What went wrong, sorted by the transport that saw it. No table ever looks into an error: this word is all it gets.
 *
 * - `refused`: the service answered for certain that this identity is not let in (401, 403, 404).
 * - `ambiguous`: an answer that may be a refusal or a drop (MQTT 3.1.1 has no 403, 404 or 429 at CONNECT; the SDK reports a
 *   dropped first CONNECT as "unauthorised").
 * - `throttled`: 429.
 * - `unavailable`: 5xx, or CONNACK 3.
 * - `unreachable`: no connection: DNS, refused port, TLS that is not the service's.
 * - `dropped`: a connection that stood was lost.
 * - `timed-out`: no answer within the time given.
 * - `invalid`: an answer that cannot be understood, or 400.
 */
export type FailureKind = 'refused' | 'ambiguous' | 'throttled' | 'unavailable' | 'unreachable' | 'dropped' | 'timed-out' | 'invalid';

/** A failure as evidence: the kind decides, the rest is for people. */
export interface Failure {
  readonly outcome: FailureKind;
  /** What the service or the network said, one line, never a secret. */
  readonly detail: string;
  /** The service's six-digit or HTTP code where there was one. */
  readonly code?: number;
  /** How long the service told the device to wait, milliseconds. */
  readonly retryAfterMs?: number;
}

/** Where to reach the cloud. */
export interface Endpoint {
  /** Host and port of the device provisioning service. */
  readonly dpsHost: string;
  readonly dpsPort: number;
  /**
   * Where every hub is reached instead of its own name on port 8883: the local cloud. The hub's real name stays in the MQTT
   * user name and in the SAS token.
   */
  readonly gateway?: { readonly host: string; readonly port: number };
  /** Where DPS and hubs are reached by the other protocols, when not on their own ports (AMQP 5671, HTTPS and WebSocket 443): the local cloud. */
  readonly ports?: { readonly amqp?: number; readonly https?: number };
  /** An HTTP proxy that every connection goes through (CONNECT): `http://[user:password@]host[:port]`. Secret when it holds a password. */
  readonly proxy?: string;
  /** Extra certificate authority of the server, PEM; absent: the runtime's own trust store. */
  readonly ca?: string;
  /** There where `ca` holds the server roots that were burnt, and nobody else is trusted: told the one that a server's chain ended at. */
  readonly onRoot?: (root: X509Certificate) => void;
}

/** `issued`: the chain of certificates that DPS made out, base64 of DER, where a signing request went along. */
export type DpsOutcome =
  | ({
      readonly outcome: 'assigned';
      readonly substatus?: string;
      readonly payload?: unknown;
      readonly issued?: readonly string[];
    } & Assignment)
  | Failure;

/** Signs of life while a registration runs. `assigning`: DPS took the request and is at it, told at each such answer. `polling`: it is asked again. */
export type DpsProgress = 'connected' | 'assigning' | 'polling';

/** The device's way to DPS. */
export interface DpsPort {
  /**
   * One whole attempt to register. Never rejects: what happened is the outcome; aborting `signal` ends it as `timed-out` and frees
   * every socket before it resolves.
   */
  register(
    request: { identity: Identity; endpoint: Endpoint; payload?: JsonObject; signingRequest?: Uint8Array },
    progress: (sign: DpsProgress) => void,
    signal: AbortSignal,
  ): Promise<DpsOutcome>;
}

/** A live connection to a hub. */
export interface HubSession {
  /** The whole twin. Never rejects. */
  getTwin(signal: AbortSignal): Promise<{ readonly outcome: 'twin'; readonly twin: DeviceTwinDocument } | Failure>;
  /** Sends a reported patch. Never rejects. */
  report(patch: JsonObject, signal: AbortSignal): Promise<{ readonly outcome: 'reported' } | Failure>;
  /** Sends one telemetry message and waits for its acknowledgement. Never rejects. */
  send(message: JsonObject, signal: AbortSignal): Promise<{ readonly outcome: 'sent' } | Failure>;
  /** Called for every change of the desired properties, with the patch and its `$version`. */
  onDesired(listener: (patch: JsonObject & { $version: number }) => void): void;
  /**
   * Called when changes of the desired properties may have been missed though the session stands (it was signed in anew): the whole twin is to be
   * read again. Left out by a transport where that cannot be.
   */
  onMissed?(listener: () => void): void;
  /** Called once when the connection is lost without {@link close}. Called at once if that has already happened. */
  onLost(listener: (failure: Failure) => void): void;
  /**
   * Called for every direct method of one of these names; any other is not the boot machine's business. Left out by a transport that has no
   * direct methods.
   */
  onMethod?(names: readonly string[], listener: (call: MethodCall) => void): void;
  /** Ends the connection and frees its socket. Safe to call twice. Never rejects. */
  close(): Promise<void>;
}

/** A direct method that the hub calls. */
export interface MethodCall {
  readonly name: string;
  /** The payload as parsed, `undefined` where there is none. */
  readonly payload: unknown;
  /** Answers, once. Resolves when the answer is on its way (or can no longer get there). Never rejects. */
  respond(status: number, payload: JsonObject): Promise<void>;
}

export type HubOutcome = { readonly outcome: 'connected'; readonly session: HubSession } | Failure;

/** The device's way to a hub. */
export interface HubPort {
  /** One attempt to connect. Never rejects; aborting `signal` ends it as `timed-out`. */
  connect(request: { identity: Identity; endpoint: Endpoint; assignment: Assignment }, signal: AbortSignal): Promise<HubOutcome>;
}

/** The device's own flash, mounted. */
export interface MountedFlash {
  /**
   * What was burnt.
   * @throws Fault when something is missing or does not fit together
   */
  identity(): Identity;
  /** What the device remembers. */
  readonly memory: Memory;
  /** The application slots, after the bootloader has chosen; absent where there are none. */
  readonly slots?: AppSlots | undefined;
  close(): void;
}

/** Sets the clock. */
export interface TimePort {
  /** Resolves with whether the time is now known. Never rejects. */
  set(signal: AbortSignal): Promise<'clock-set' | 'clock-unset'>;
}

/** What a configuration does to the device. */
export interface ConfigPort {
  /**
   * Makes the device what the desired properties say.
   * @throws anything: the configuration is then reported as failed, with the error's message
   */
  apply(config: AppliedConfig, signal: AbortSignal): Promise<void>;
}

/** The application that runs on the device. */
export interface ApplicationPort {
  /**
   * Whether a new application does its work, asked once the device has been running with it for a while.
   * @throws anything: the application before is booted again, and the error is told
   */
  check(signal: AbortSignal): Promise<void>;
}

/** A request for a certificate, PKCS #10 in DER, and the private key (PEM) that it is for. Secret. */
export interface SigningRequest {
  readonly der: Uint8Array;
  readonly privateKey: string;
}

/** Makes new keys. */
export interface CredentialPort {
  /** A new key each time, for a certificate made out to the registration id. */
  request(registrationId: string): Promise<SigningRequest>;
}
