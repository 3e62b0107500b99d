import type { Clock } from '@zerotouch/foundation/clock';
import type { DpsProgress, Failure } from '../boot/ports.js';
import type { DialRequest } from './dial.js';
import type { SdkTransport } from './sdk-polling.js';

/** What a line of the SDK to DPS is opened with, and whom it tells. */
export interface DpsLineContext {
  readonly request: DialRequest;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly tell: (sign: DpsProgress) => void;
  /** Ends the registration; only the first failure counts. */
  readonly fail: (failure: Failure) => void;
  readonly failed: () => boolean;
}

/** One of the SDK's transports on its way to DPS. */
export interface DpsLine {
  readonly transport: SdkTransport;
  /** The last error of the connection under the SDK. */
  networkError(): unknown;
  hangUp(clock: Clock): Promise<void>;
  cut(): Promise<void>;
}

/** Opens a line. Never rejects; what cannot be opened is a failure. */
export type OpenDpsLine = (context: DpsLineContext) => Promise<DpsLine | Failure>;
