import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Identity } from '../identity/identity.js';
import type {
  ApplicationPort,
  ConfigPort,
  CredentialPort,
  DpsPort,
  DpsProgress,
  Endpoint,
  Failure,
  HubPort,
  MountedFlash,
  TimePort,
} from './ports.js';
import type { RetryPolicy } from './retry.js';
import type { DeviceWarning } from './root-warnings.js';
import type { SlotState } from './slots.js';
import type { Machine } from './supervisor.js';

/** How long one operation may take before it counts as timed out, milliseconds. */
export interface Timeouts {
  readonly registerMs: number;
  readonly connectMs: number;
  readonly requestMs: number;
}

/** The times a real device allows: a registration may wait for a busy DPS, a twin request may not. */
export const defaultTimeouts: Timeouts = { registerMs: 120_000, connectMs: 60_000, requestMs: 30_000 };

/** Everything the driver acts through. */
export interface DriverPorts {
  readonly mount: () => MountedFlash;
  /**
   * Where to go, asked once the identity is known and again before each attempt.
   * @throws Fault when there is nowhere to go: the device halts the first time, and later stays with what it was told last
   */
  readonly endpoint: (identity: Identity) => Endpoint;
  readonly time: TimePort;
  readonly dps: DpsPort;
  readonly hub: HubPort;
  readonly config: ConfigPort;
  /** Absent: a device that runs is proof enough of its application. */
  readonly application?: ApplicationPort | undefined;
  /** Absent: DPS is asked for no certificate. */
  readonly credentials?: CredentialPort | undefined;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly policy: RetryPolicy;
  readonly timeouts: Timeouts;
}

/** What the driver tells whoever watches; nothing here steers the device. */
export interface DriverWatcher {
  /** After every step that changed a state. */
  stepped?(machine: Machine): void;
  /** The slots table entered a state. */
  slots?(state: SlotState): void;
  /** Something failed; the machine goes on as its tables say. */
  failed?(during: string, failure: Failure): void;
  /** A wait begins. */
  waiting?(table: 'assignment' | 'session' | 'config', ms: number): void;
  /** DPS was heard, or is asked again. */
  signed?(sign: DpsProgress): void;
  /** A configuration could not be applied, with what is reported of it; the last good one follows. */
  unapplied?(problem: string): void;
  /** The flash did not take a write, the identity cannot be used. */
  fault?(during: string, fault: Error): void;
  /** Something works today and is known to end; each once a boot. */
  warned?(warning: DeviceWarning): void;
  /** The flash or what was burnt cannot be used; {@link fault} was called with why. */
  halted?(): void;
  /** Configured and connected; called again after every reconnection. */
  running?(): void;
}
