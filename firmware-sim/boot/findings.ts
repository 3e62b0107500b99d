import type { DriverWatcher } from './driver-ports.js';
import type { Failure } from './ports.js';
import type { MachineEvent } from './supervisor.js';

/** What comes of effects: told to the machine, and to whoever watches. */
export class Findings {
  readonly post: (event: MachineEvent) => void;
  readonly watcher: DriverWatcher;

  constructor(post: (event: MachineEvent) => void, watcher: DriverWatcher) {
    this.post = post;
    this.watcher = watcher;
  }

  /** An operation failed; the machine weighs how. */
  failure(table: 'assignment' | 'session' | 'config', during: string, failure: Failure): void {
    this.watcher.failed?.(during, failure);
    this.post({ table, failure: failure.outcome, retryAfterMs: failure.retryAfterMs ?? 0 });
  }

  /** Whether `work` went through; what it throws is told. */
  guarded(during: string, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.fault(during, error);
      return false;
    }
  }

  fault(during: string, error: unknown): void {
    this.watcher.fault?.(during, error instanceof Error ? error : new Error(String(error)));
  }
}

/** The tables order the effects so that this never throws; if it does, a row is wrong. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the boot tables asked for an effect that needs ${what} before there was one`);
  return value;
}
