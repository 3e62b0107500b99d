import { execFile } from 'node:child_process';

/** What systemd is told. Source: sd_notify(3). */
export interface ServiceNews {
  readonly READY?: 1;
  readonly RELOADING?: 1;
  readonly STOPPING?: 1;
  readonly WATCHDOG?: 1;
  /** One line for `systemctl status`. */
  readonly STATUS?: string;
  /** When the reload began, microseconds of CLOCK_MONOTONIC. */
  readonly MONOTONIC_USEC?: string;
}

/** Hands assignments (`READY=1`) to whoever started the service. */
export type Courier = (assignments: readonly string[]) => Promise<void>;

/** How long the program may take; it waits itself until systemd has read the message, milliseconds. */
const COURIER_MS = 15_000;

/**
 * The service manager that started this process. Messages go out one after the other; those that come meanwhile go together, and of each kind
 * only the last, so that a device that changes often does not pile up processes. Never rejects: a device goes on without its service manager.
 */
export class ServiceManager {
  readonly #courier: Courier | undefined;
  readonly #failed: (reason: string) => void;
  #waiting: ServiceNews = {};
  #under: Promise<void> | undefined;

  /** @param courier undefined where nobody wants to be told */
  constructor(courier: Courier | undefined, failed: (reason: string) => void) {
    this.#courier = courier;
    this.#failed = failed;
  }

  /** Resolves when it has been told, or could not be. */
  tell(news: ServiceNews): Promise<void> {
    if (this.#courier === undefined) return Promise.resolve();
    // Of two phases of the service only the later one is true.
    const phase = 'READY' in news || 'RELOADING' in news || 'STOPPING' in news;
    const { READY: _, RELOADING: __, MONOTONIC_USEC: ___, ...rest } = this.#waiting;
    this.#waiting = { ...(phase ? rest : this.#waiting), ...news };
    this.#under ??= this.#deliver(this.#courier).finally(() => {
      this.#under = undefined;
    });
    return this.#under;
  }

  async #deliver(courier: Courier): Promise<void> {
    while (Object.keys(this.#waiting).length > 0) {
      const assignments = Object.entries(this.#waiting).map(([name, value]) => `${name}=${String(value).replace(/\s+/g, ' ')}`);
      this.#waiting = {};
      try {
        await courier(assignments);
      } catch (error) {
        this.#failed(error instanceof Error ? error.message : String(error));
      }
    }
  }
}

/**
 * The way to systemd for a process that it started; undefined for any other. Node has no Unix datagram sockets (`NOTIFY_SOCKET` is one, maybe
 * abstract), and a native module is not for a device: so systemd's own program carries the message, which needs `NotifyAccess=all` in the unit.
 */
export function systemdCourier(env: Readonly<Record<string, string | undefined>>, program = 'systemd-notify'): Courier | undefined {
  const { NOTIFY_SOCKET, PATH } = env;
  if (NOTIFY_SOCKET === undefined || NOTIFY_SOCKET === '') return undefined;
  return (assignments) =>
    new Promise((resolve, reject) => {
      execFile(program, [...assignments], { env: { NOTIFY_SOCKET, PATH }, timeout: COURIER_MS }, (error, _, stderr) => {
        if (error === null) resolve();
        else reject(new Error(`${program}: ${stderr.trim() || error.message}`));
      });
    });
}

/** How often systemd wants a sign of life, milliseconds; undefined when it does not, or not of this process. Source: sd_watchdog_enabled(3). */
export function watchdogMs(env: Readonly<Record<string, string | undefined>>, pid = process.pid): number | undefined {
  const { WATCHDOG_USEC, WATCHDOG_PID } = env;
  if (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== pid) return undefined;
  const ms = Number(WATCHDOG_USEC) / 1000;
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
