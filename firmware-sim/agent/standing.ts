import type { Clock } from '@zerotouch/foundation/clock';
import { isFault } from '@zerotouch/foundation/fault';
import type { FailureKind } from '../boot/ports.js';
import type { DeviceWarning } from '../boot/root-warnings.js';
import type { Device } from '../runtime/device.js';
import { remedies } from './remedies.js';

/** The last thing that went wrong; it stays when the device has recovered. */
export interface Trouble {
  /** ISO 8601, by the machine's clock. */
  readonly at: string;
  readonly during: string;
  /** A kind of failure, or the code of a fault. */
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** What the agent counted since it started; only ever grows. */
export interface AgentCounters {
  /** Devices powered on: 1, and one for each change of settings and each look at an image that could not be used. */
  readonly powerOns: number;
  /** How often `running` was reached: after the first, reconnections. */
  readonly arrivals: number;
  /** How often a device that had been running was running again. */
  readonly reconnections: number;
  /** Waits after a failure. */
  readonly retries: number;
  readonly failures: Readonly<Record<FailureKind, number>>;
  /** Faults of flash or image. */
  readonly faults: number;
  readonly settingsApplied: number;
  readonly settingsRefused: number;
}

/** Where a device stands: what `GET /health` answers. */
export interface Health {
  /** Whether it is running: connected to its hub and configured. */
  readonly healthy: boolean;
  readonly state: string;
  /** Since when it is in this state: ISO 8601, by the machine's clock. */
  readonly since: string;
  readonly registrationId: string | null;
  readonly deviceId: string | null;
  readonly hub: string | null;
  /** Version of the desired properties in force. */
  readonly configVersion: number | null;
  readonly bootMs: number | null;
  readonly lastError: Trouble | null;
  /** What works today and is known to end. */
  readonly warnings: readonly DeviceWarning[];
  readonly settings: { readonly file: string; readonly from: 'file' | 'last-good'; readonly refused: string | null };
  /** `platform`: `linux-arm64`. */
  readonly versions: { readonly agent: string; readonly node: string; readonly platform: string; readonly settings: 1 };
  /** Counted in flash, over the life of the image. */
  readonly image: { readonly boots: number; readonly registrations: number };
  /** Counted since the agent started. */
  readonly counters: AgentCounters;
}

/** Follows a device and remembers what a person asks about it. */
export class Standing {
  readonly #clock: Clock;
  #device: Device | undefined;
  #state = 'off';
  #enteredAt: number;
  #trouble: Trouble | undefined;
  readonly #counters = {
    powerOns: 0,
    arrivals: 0,
    reconnections: 0,
    retries: 0,
    failures: Object.fromEntries(Object.keys(remedies).map((kind) => [kind, 0])) as Record<FailureKind, number>,
    faults: 0,
    settingsApplied: 0,
    settingsRefused: 0,
  };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#enteredAt = clock.monotonic();
  }

  get state(): string {
    return this.#state;
  }

  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** Listens to a device, which takes the place of the former one. */
  attend(device: Device): void {
    this.#device = device;
    this.#counters.powerOns += 1;
    device.on('state', ({ state }) => {
      if (state === this.#state) return;
      this.#state = state;
      this.#enteredAt = this.#clock.monotonic();
    });
    let hasRun = false;
    device.on('running', () => {
      this.#counters.arrivals += 1;
      if (hasRun) this.#counters.reconnections += 1;
      hasRun = true;
    });
    device.on('wait', () => {
      this.#counters.retries += 1;
    });
    device.on('failure', ({ during, failure }) => {
      this.#counters.failures[failure.outcome] += 1;
      this.#suffer(during, failure.outcome, failure.detail, remedies[failure.outcome]);
    });
    device.on('fault', ({ during, error }) => {
      this.#counters.faults += 1;
      const told = isFault(error) ? error : undefined;
      this.#suffer(
        during,
        told?.code ?? error.name,
        error.message,
        told?.remedy ?? 'look at the image with `zerotouch inspect` and `zerotouch verify`',
      );
    });
  }

  settingsApplied(): void {
    this.#counters.settingsApplied += 1;
  }

  settingsRefused(error: unknown): void {
    this.#counters.settingsRefused += 1;
    const told = isFault(error) ? error : undefined;
    const message = error instanceof Error ? error.message : String(error);
    this.#suffer(
      'reading settings',
      told?.code ?? 'SETTINGS_INVALID',
      message,
      told?.remedy ?? 'mend the file; it is read again when it changes',
    );
  }

  /** How long the device has been running without a break, milliseconds; 0 when it is not. */
  get runningMs(): number {
    return this.#state === 'running' ? this.#clock.monotonic() - this.#enteredAt : 0;
  }

  /** Everything, at this moment. */
  health(settings: Health['settings'], agentVersion: string): Health {
    const device = this.#device;
    const iso = (ms: number): string => new Date(ms).toISOString();
    return {
      healthy: this.#state === 'running',
      state: this.#state,
      since: iso(this.#clock.now() - (this.#clock.monotonic() - this.#enteredAt)),
      registrationId: device?.registrationId ?? null,
      deviceId: device?.deviceId ?? null,
      hub: device?.hub ?? null,
      configVersion: device?.config?.version ?? null,
      bootMs: device?.bootMs ?? null,
      lastError: this.#trouble ?? null,
      warnings: device?.warnings ?? [],
      settings,
      versions: { agent: agentVersion, node: process.versions.node, platform: `${process.platform}-${process.arch}`, settings: 1 },
      image: device?.counters ?? { boots: 0, registrations: 0 },
      counters: structuredClone(this.#counters),
    };
  }

  #suffer(during: string, code: string, message: string, remedy: string): void {
    this.#trouble = { at: new Date(this.#clock.now()).toISOString(), during, code, message, remedy };
  }
}
