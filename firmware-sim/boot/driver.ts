import type { Identity } from '../identity/identity.js';
import { Acts } from './acts.js';
import type { DriverPorts, DriverWatcher } from './driver-ports.js';
import type { AppliedConfig, Assignment } from './kept.js';
import type { Order } from './obey.js';
import type { Endpoint, HubSession, MountedFlash } from './ports.js';
import { powerTable } from './power.js';
import type { DeviceWarning } from './root-warnings.js';
import { type Machine, type MachineEvent, poweredOff, step } from './supervisor.js';

/**
 * Drives one device: takes events one at a time through the tables and has their effects carried out. It takes no decision.
 */
export class Driver {
  readonly #ports: DriverPorts;
  readonly #watcher: DriverWatcher;
  readonly #acts: Acts;
  readonly #queue: MachineEvent[] = [];
  #machine: Machine = poweredOff;
  #stepping = false;

  constructor(ports: DriverPorts, watcher: DriverWatcher = {}) {
    this.#ports = ports;
    this.#watcher = watcher;
    this.#acts = new Acts(
      ports,
      watcher,
      (event) => this.#post(event),
      () => this.#machine,
    );
  }

  get machine(): Machine {
    return this.#machine;
  }

  get identity(): Identity | undefined {
    return this.#acts.identity;
  }

  /** Where it goes, as it was told last. */
  get endpoint(): Endpoint | undefined {
    return this.#acts.endpoint;
  }

  get assignment(): Assignment | undefined {
    return this.#acts.assignment;
  }

  get session(): HubSession | undefined {
    return this.#acts.session;
  }

  get applied(): AppliedConfig | undefined {
    return this.#acts.applied;
  }

  /** What works today and is known to end. */
  get warnings(): readonly DeviceWarning[] {
    return this.#acts.warnings;
  }

  get flash(): MountedFlash | undefined {
    return this.#acts.flash;
  }

  powerOn(): void {
    this.#post({ table: 'power', event: 'power-on' });
  }

  /** Ends every operation and connection, closes the flash; resolves when all of that is done. */
  async powerOff(): Promise<void> {
    this.#post({ table: 'power', event: 'power-off' });
    await this.#acts.putAway();
  }

  /**
   * Tells the device what to do, as the hub can by a direct method. False in a state that has no use for it: nothing is done then.
   */
  obey(order: Order): boolean {
    const [next, effect] = powerTable[this.#machine.power][order.command];
    if (next === this.#machine.power && effect === 'none') return false;
    this.#acts.obey(order);
    return true;
  }

  /**
   * Takes a new application: it is written beside the one that runs, then booted on trial. False, and nothing done, where there are no slots or
   * the one that runs has yet to prove itself.
   */
  update(application: Uint8Array): boolean {
    if (this.#machine.slots !== 'settled') return false;
    this.#acts.update(application);
    return true;
  }

  // An effect that answers at once must not step the machine inside a step: its event waits in the queue.
  #post(event: MachineEvent): void {
    this.#queue.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next);
    } finally {
      this.#stepping = false;
    }
  }

  #step(event: MachineEvent): void {
    const { clock, entropy, policy } = this.#ports;
    const before = this.#machine;
    const [after, effects] = step(before, event, { now: clock.monotonic(), unit: () => entropy.unit(), policy });
    this.#machine = after;
    const moved =
      before.power !== after.power ||
      before.assignment !== after.assignment ||
      before.session !== after.session ||
      before.config !== after.config;
    if (moved) this.#watcher.stepped?.(after);
    if (before.slots !== after.slots) this.#watcher.slots?.(after.slots);
    for (const effect of effects) this.#acts.carryOut(effect);
  }
}
