import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { isFault } from '@zerotouch/foundation/fault';
import { deviceOptions } from '../runtime/boot-image.js';
import { Device } from '../runtime/device.js';
import { EXPOSITION_TYPE, exposition } from './exposition.js';
import { HealthFault, SettingsFault } from './faults.js';
import { jsonAnswer, openHealthSocket, openPort, type SocketAnswer } from './health-socket.js';
import type { Journal } from './journal.js';
import type { LastGood } from './last-good.js';
import { agentMetrics } from './metrics.js';
import { Pulse } from './pulse.js';
import type { ServiceManager } from './service-manager.js';
import { type Settings, sameSettings } from './settings.js';
import { type Health, Standing } from './standing.js';
import { tellJournal } from './tell-journal.js';

/** How long settings that were never proven may take to bring the device to its hub before the proven ones get a turn, milliseconds. */
export const TRIAL_MS = 10 * 60_000;
/** How long until an image that could not be used is looked at again, milliseconds: a card may have been put in, another process ended. */
export const HALTED_MS = 60_000;
/** Signs of life in the time within which the service manager wants one. */
const SIGNS = 3;

/** What an agent is handed. */
export interface AgentParts {
  readonly settingsFile: string;
  /** @throws Fault when the file cannot be used */
  readonly readSettings: (file: string) => Promise<Settings>;
  readonly lastGood: LastGood;
  readonly journal: Journal;
  readonly manager: ServiceManager;
  /** How often the service manager wants a sign of life, milliseconds. */
  readonly watchdogMs?: number | undefined;
  readonly version: string;
  readonly clock?: Clock;
}

/**
 * What keeps a device powered on for years: reads its settings, applies changed ones or keeps the old, tells its health, its journal and its service
 * manager, looks again at an image that cannot be used. Whatever it does with the device it does one after the other.
 */
export class Agent {
  readonly #parts: AgentParts;
  readonly #clock: Clock;
  readonly #standing: Standing;
  readonly #pulse: Pulse;
  readonly #over = new AbortController();
  #settings: Settings | undefined;
  #from: 'file' | 'last-good' = 'file';
  #refused: string | undefined;
  /** What was said when the file's settings led to no hub in their time. */
  #unproven: string | undefined;
  #device: Device | undefined;
  #socket: { readonly path: string; readonly door: AsyncDisposable } | undefined;
  #port: { readonly number: number; readonly door: AsyncDisposable } | undefined;
  /** Ends with the device that it waits for. */
  #retry = new AbortController();
  /** Ends when settings are proven, or others take their place. */
  #trial = new AbortController();
  #turn: Promise<void> = Promise.resolve();

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#standing = new Standing(this.#clock);
    this.#pulse = new Pulse(this.#clock);
  }

  /**
   * Reads the settings, the last good ones when those cannot be used, and switches the device on. Resolves when that has begun: a device without a
   * network is a service that runs.
   * @throws Fault when there are no settings that can be used, or the health cannot be told
   */
  async start(): Promise<void> {
    const { journal, manager, settingsFile, version } = this.#parts;
    const { settings, other } = await this.#firstSettings();
    await this.#openSocket(settings.healthSocket);
    journal('notice', 'started', { version, node: process.versions.node, settings: settingsFile, image: settings.image });
    await this.#adopt(settings, other);
    await manager.tell({ READY: 1, STATUS: this.#status() });
    void this.#signsOfLife();
  }

  /** Reads the settings again: applied, or refused and the old ones kept. Resolves when that is decided; never rejects. */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const { journal, manager, readSettings, settingsFile } = this.#parts;
      await manager.tell({ RELOADING: 1, MONOTONIC_USEC: String(process.hrtime.bigint() / 1000n), STATUS: 'reading settings' });
      try {
        const settings = await readSettings(settingsFile);
        const before = this.#settings;
        this.#refused = undefined;
        if (before !== undefined && sameSettings(before, settings)) {
          this.#from = 'file';
          journal('notice', 'settings-unchanged', { settings: settingsFile });
        } else {
          if (settings.healthSocket !== this.#socket?.path) await this.#openSocket(settings.healthSocket);
          await this.#adopt(settings, this.#parts.lastGood.read());
          this.#from = 'file';
          this.#standing.settingsApplied();
          journal('notice', 'settings-applied', { settings: settingsFile, image: settings.image, transport: settings.transport });
        }
      } catch (error) {
        this.#refuse(error);
      }
      await manager.tell({ READY: 1, STATUS: this.#status() });
    });
  }

  /** Where the device stands. */
  health(): Health {
    const { settingsFile, version } = this.#parts;
    return this.#standing.health({ file: settingsFile, from: this.#from, refused: this.#refused ?? null }, version);
  }

  /** The same and more in numbers, for Prometheus. */
  metrics(): SocketAnswer {
    const { certificates = [], wear: flash } = this.#device ?? {};
    const { watchdogMs } = this.#parts;
    const measures = { runningMs: this.#standing.runningMs, certificates, flash, overdueMs: this.#pulse.overdueMs, watchdogMs };
    return { status: 200, type: EXPOSITION_TYPE, body: exposition(agentMetrics(this.health(), measures)) };
  }

  /** Ends everything in good order: the hub is told goodbye, the flash closed, the socket removed. Never rejects. */
  async stop(): Promise<void> {
    const { journal, manager } = this.#parts;
    this.#over.abort();
    this.#trial.abort();
    this.#retry.abort();
    const told = manager.tell({ STOPPING: 1, STATUS: 'stopping' });
    await this.#turn;
    await this.#device?.stop();
    await this.#socket?.door[Symbol.asyncDispose]();
    await this.#port?.door[Symbol.asyncDispose]();
    journal('notice', 'stopped');
    await told;
  }

  async #firstSettings(): Promise<{ settings: Settings; other?: Settings | undefined }> {
    const { lastGood, readSettings, settingsFile } = this.#parts;
    const other = lastGood.read();
    try {
      return { settings: await readSettings(settingsFile), other };
    } catch (error) {
      if (other === undefined) throw error;
      this.#refuse(error);
      this.#from = 'last-good';
      return { settings: other };
    }
  }

  /** Goes by these settings. When they do not lead to a hub, `other` gets its turn, and so on until one of them does. */
  async #adopt(settings: Settings, other?: Settings): Promise<void> {
    this.#trial.abort();
    this.#trial = new AbortController();
    await this.#powerOn(settings);
    this.#settings = settings;
    if (other === undefined || sameSettings(other, settings)) return;
    this.#later(TRIAL_MS, this.#trial.signal, async () => {
      this.#from = this.#from === 'file' ? 'last-good' : 'file';
      if (this.#from === 'last-good') {
        const minutes = TRIAL_MS / 60_000;
        this.#refuse(
          new SettingsFault('SETTINGS_UNPROVEN', `the device did not reach its hub in ${minutes} minutes`, {
            where: this.#parts.settingsFile,
            remedy: 'those that last did are in force; both get their turn until one leads to the hub',
          }),
        );
        this.#unproven = this.#refused;
      }
      await this.#adopt(other, settings);
    });
  }

  async #powerOn(settings: Settings): Promise<void> {
    const options = deviceOptions(settings.image, settings);
    await this.#servePort(settings.metricsPort);
    this.#retry.abort();
    this.#retry = new AbortController();
    await this.#device?.stop();
    const device = new Device({ ...options, clock: this.#clock });
    this.#device = device;
    this.#standing.attend(device);
    this.#pulse.attend(device);
    // Before it is told: who reads `running` may rely on its being kept.
    device.on('running', () => this.#proven(settings));
    tellJournal(device, this.#parts.journal);
    for (const event of ['running', 'wait', 'fault', 'halted'] as const)
      device.on(event, () => void this.#parts.manager.tell({ STATUS: this.#status() }));
    device.on('halted', () => this.#later(HALTED_MS, this.#retry.signal, () => this.#powerOn(settings)));
    device.start();
  }

  #proven(settings: Settings): void {
    const { journal, lastGood } = this.#parts;
    this.#trial.abort();
    // A file that was found wrong meanwhile stays refused.
    if (this.#from === 'file' && this.#refused === this.#unproven) this.#refused = undefined;
    const kept = lastGood.read();
    if (kept !== undefined && sameSettings(kept, settings)) return;
    try {
      lastGood.keep(settings);
    } catch (error) {
      journal('warning', 'settings-not-kept', { detail: error instanceof Error ? error.message : String(error) });
    }
  }

  #refuse(error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    this.#refused = detail;
    this.#standing.settingsRefused(error);
    this.#parts.journal('warning', 'settings-refused', { code: isFault(error) ? error.code : undefined, detail });
  }

  async #openSocket(path: string): Promise<void> {
    const door = await openHealthSocket(path, {
      '/health': () => {
        const health = this.health();
        return jsonAnswer(health, health.healthy ? 200 : 503);
      },
      '/metrics': () => this.metrics(),
    }).catch((error: unknown) => {
      if (isFault(error)) throw error;
      throw new HealthFault('SOCKET_TAKEN', 'the socket cannot be made', {
        where: path,
        seen: (error as NodeJS.ErrnoException).code ?? String(error),
        expected: 'a folder that is there, and that the agent may write into (`healthSocket` in its settings)',
        cause: error,
      });
    });
    await this.#socket?.door[Symbol.asyncDispose]();
    this.#socket = { path, door };
  }

  /** A device comes before its metrics: a port that cannot be had is told, and nothing else. */
  async #servePort(port: number | undefined): Promise<void> {
    if (port === this.#port?.number) return;
    await this.#port?.door[Symbol.asyncDispose]();
    this.#port = undefined;
    if (port === undefined) return;
    try {
      const door = await openPort(port, { '/metrics': () => this.metrics() });
      this.#port = { number: port, door };
      this.#parts.journal('notice', 'metrics-served', { url: `http://127.0.0.1:${door.port}/metrics` });
    } catch (error) {
      const { code = String(error) } = error as NodeJS.ErrnoException;
      this.#parts.journal('warning', 'metrics-not-served', { port, detail: code, remedy: 'choose another metricsPort in the settings' });
    }
  }

  // A silent device gets no sign of life: systemd then kills the agent, and starts it anew.
  async #signsOfLife(): Promise<void> {
    const { journal, manager, watchdogMs } = this.#parts;
    if (watchdogMs === undefined) return;
    let told = false;
    while (!this.#over.signal.aborted) {
      const overdue = this.#pulse.overdueMs;
      if (overdue === 0) await manager.tell({ WATCHDOG: 1 });
      else if (!told) journal('error', 'no-progress', { state: this.#standing.state, overdue_ms: Math.round(overdue) });
      told = overdue > 0;
      await this.#clock.wait(watchdogMs / SIGNS, this.#over.signal).catch(() => undefined);
    }
  }

  #status(): string {
    const { state, trouble } = this.#standing;
    const { hub } = this.#device ?? {};
    if (state === 'running') return `running on ${hub}`;
    return trouble === undefined ? state : `${state}; last error: ${trouble.code} when ${trouble.during}`;
  }

  #later(ms: number, signal: AbortSignal, work: () => Promise<void>): void {
    this.#clock.wait(ms, signal).then(
      () => this.#inTurn(async () => (signal.aborted ? undefined : work())),
      () => undefined,
    );
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      if (this.#over.signal.aborted) return;
      try {
        await work();
      } catch (error) {
        this.#refuse(error);
      }
    });
    return this.#turn;
  }
}
