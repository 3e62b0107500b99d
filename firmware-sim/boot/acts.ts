import type { Identity } from '../identity/identity.js';
import { AssignmentActs } from './assignment-acts.js';
import { ConfigActs } from './config-acts.js';
import { Destination } from './destination.js';
import type { DriverPorts, DriverWatcher } from './driver-ports.js';
import { Findings, present } from './findings.js';
import type { AppliedConfig, Assignment, CoolDown, Owner } from './kept.js';
import type { Memory } from './memory.js';
import type { Order } from './obey.js';
import { Operations } from './operations.js';
import type { Endpoint, HubSession, MountedFlash } from './ports.js';
import { retrySchedule } from './retry.js';
import type { DeviceWarning } from './root-warnings.js';
import { SessionActs } from './session-acts.js';
import { SlotActs } from './slot-acts.js';
import type { Machine, MachineEffect, MachineEvent, WaitingTable } from './supervisor.js';

/** A kept cool-down longer than this comes from a clock that was wrong. */
const COOL_DOWN_MAX_MS = 24 * 60 * 60_000;

/**
 * What each effect of the boot machine does, through the ports: those of the power table here, those of the others in a file a table. Holds what
 * all of them need: flash and identity. Whatever comes of an effect is posted as an event; nothing is decided here.
 */
export class Acts {
  readonly #ports: DriverPorts;
  readonly #findings: Findings;
  readonly #post: (event: MachineEvent) => void;
  readonly #operations: Operations;
  readonly #destination: Destination;
  readonly #assignment: AssignmentActs;
  readonly #session: SessionActs;
  readonly #config: ConfigActs;
  readonly #slots: SlotActs;
  #flash: MountedFlash | undefined;
  #identity: Identity | undefined;
  #clockSet = false;
  /** Who takes the device over, until that is kept. */
  #heir: Owner | undefined;

  constructor(ports: DriverPorts, watcher: DriverWatcher, post: (event: MachineEvent) => void, machine: () => Machine) {
    const findings = new Findings(post, watcher);
    const operations = new Operations(ports.clock, () => post({ table: 'power', event: 'hung' }));
    const shared = { ports, operations, findings };
    const identity = () => this.#known();
    const destination = new Destination(ports, findings, identity);
    this.#ports = ports;
    this.#findings = findings;
    this.#post = post;
    this.#operations = operations;
    this.#destination = destination;
    this.#assignment = new AssignmentActs({
      ...shared,
      memory: () => this.#mounted().memory,
      identity,
      destination: () => destination.find(),
      isClockSet: () => this.#clockSet,
    });
    this.#session = new SessionActs({
      ...shared,
      identity,
      attestation: () => this.#assignment.attestation,
      assignment: () => this.#assignment.known,
      destination: () => destination.find(),
      connected: () => destination.lookAtRoots(this.#clockSet),
      desired: (patch) => this.#config.desired(patch),
      missed: () => this.#config.missed(),
      obey: (order) => this.obey(order),
    });
    this.#config = new ConfigActs({
      ...shared,
      machine,
      session: () => present(this.session, 'a session'),
      keep: (config) => this.#mounted().memory.keepConfig(this.#known().idScope, config),
      failedBoots: () => this.#mounted().memory.failedBoots(),
      warnings: () => (this.#known().serverRoots === undefined ? undefined : destination.warnings),
    });
    this.#slots = new SlotActs({ ...shared, slots: () => this.#flash?.slots });
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** Where it goes, as it was told last. */
  get endpoint(): Endpoint | undefined {
    return this.#destination.endpoint;
  }

  get assignment(): Assignment | undefined {
    return this.#assignment.assignment;
  }

  get session(): HubSession | undefined {
    return this.#session.session;
  }

  get applied(): AppliedConfig | undefined {
    return this.#config.applied;
  }

  get flash(): MountedFlash | undefined {
    return this.#flash;
  }

  /** Works today, and is known to end. */
  get warnings(): readonly DeviceWarning[] {
    return this.#destination.warnings;
  }

  carryOut(effect: MachineEffect): void {
    if (effect.do === 'wait') this.#wait(effect.table, effect.ms);
    else if (effect.do === 'keep-cool-down') this.#keepCoolDown(effect.attempts, effect.ms);
    else Acts.#acts[effect.do](this);
  }

  /** Does what it is told; a hub's order and one of the program that runs the device are the same. */
  obey(order: Order): void {
    if (order.command === 'change-owner') this.#heir = order.owner;
    this.#post({ table: 'power', event: order.command });
  }

  /** Takes a new application for the slot that does not run. */
  update(application: Uint8Array): void {
    this.#slots.take(application);
  }

  /** Resolves when nothing is under way any more and the flash is closed. */
  async putAway(): Promise<void> {
    await this.#operations.idle();
    this.#flash?.close();
    this.#flash = undefined;
  }

  // One table for all devices: a fleet has thousands.
  static readonly #acts: Readonly<Record<Exclude<MachineEffect['do'], 'wait' | 'keep-cool-down'>, (acts: Acts) => void>> = {
    mount: (acts) => acts.#mount(),
    identify: (acts) => acts.#identify(),
    'set-clock': (acts) => acts.#setClock(),
    recall: (acts) => acts.#recall(),
    register: (acts) => acts.#assignment.register(),
    'commit-assignment': (acts) => acts.#assignment.commit(),
    'cancel-assignment': (acts) => acts.#operations.cancel('assignment'),
    connect: (acts) => {
      acts.#config.forgetTwin();
      acts.#session.connect();
    },
    disconnect: (acts) => acts.#session.disconnect(),
    pull: (acts) => acts.#config.pull(),
    apply: (acts) => acts.#config.apply(),
    restore: (acts) => acts.#config.restore(),
    'commit-config': (acts) => acts.#config.commit(),
    report: (acts) => acts.#config.report(),
    announce: (acts) => acts.#config.announce(),
    'cancel-config': (acts) => acts.#operations.cancel('config'),
    'check-slot': (acts) => acts.#slots.check(),
    'commit-slot': (acts) => acts.#slots.commit(),
    'roll-back-slot': (acts) => acts.#slots.rollBack(),
    'write-slot': (acts) => acts.#slots.write(),
    'switch-slot': (acts) => acts.#slots.switchOver(),
    'cancel-slots': (acts) => acts.#operations.cancel('slots'),
    arrive: (acts) => acts.#arrive(),
    trust: (acts) => acts.#trust(),
    restart: (acts) => acts.#restart(),
    erase: (acts) => acts.#reset('erasing the flash', () => acts.#mounted().memory.erase()),
    adopt: (acts) => acts.#reset('keeping the new owner', () => acts.#mounted().memory.keepOwner(present(acts.#heir, 'a new owner'))),
    halt: (acts) => acts.#findings.watcher.halted?.(),
    'switch-off': (acts) => acts.#endWaits(),
  };

  #mount(): void {
    try {
      this.#flash = this.#ports.mount();
      this.#post({ table: 'power', event: 'mounted' });
      this.#slots.begin();
    } catch (error) {
      this.#findings.fault('mounting the flash', error);
      this.#post({ table: 'power', event: 'mount-failed' });
    }
  }

  #identify(): void {
    try {
      const flash = this.#mounted();
      this.#identity = { ...flash.identity(), ...flash.memory.owner() };
      this.#destination.begin();
      this.#post({ table: 'power', event: 'identified' });
    } catch (error) {
      this.#findings.fault('reading the identity', error);
      this.#post({ table: 'power', event: 'identity-failed' });
    }
  }

  #setClock(): void {
    this.#operations.run('power', this.#ports.timeouts.requestMs, async (signal) => {
      const event = await this.#ports.time.set(signal);
      return () => {
        this.#clockSet = event === 'clock-set';
        this.#post({ table: 'power', event });
      };
    });
  }

  /** What cannot be read counts as not kept: a device that asks again is better than one that does not boot. */
  #recall(): void {
    const { memory } = this.#mounted();
    const { idScope } = this.#known();
    this.#assignment.forget();
    this.#findings.guarded('counting the boot', () => memory.countBoot());
    this.#assignment.recallKey();
    this.#findings.guarded('reading the configuration', () => this.#config.recall(memory.config(idScope)));
    this.#findings.guarded('reading how earlier boots ended', () => this.#heed(memory));
    this.#post({ table: 'power', event: this.#assignment.recall() ? 'cached' : 'not-cached' });
  }

  #heed(memory: Memory): void {
    const { policy } = this.#ports;
    const coolDown = policy.keepMs === Number.POSITIVE_INFINITY ? undefined : memory.coolDown();
    if (coolDown !== undefined) this.#post({ table: 'assignment', attempts: coolDown.attempts, waitMs: this.#left(coolDown) });
    if (memory.failedBoots() >= policy.failedBoots) this.#post({ table: 'power', event: 'looping' });
  }

  #arrive(): void {
    this.#findings.guarded('forgetting the cool-down', () => this.#mounted().memory.forgetCoolDown());
    this.#assignment.planRenewal();
    this.#findings.watcher.running?.();
  }

  #endWaits(): void {
    this.#operations.cancel('power');
    this.#operations.cancel('renewal');
  }

  #trust(): void {
    const flash = this.#flash;
    if (flash !== undefined) this.#findings.guarded('counting the boot as good', () => flash.memory.trust());
  }

  #restart(): void {
    this.#endWaits();
    this.#flash?.close();
    this.#flash = undefined;
    this.#mount();
  }

  #reset(during: string, write: () => void): void {
    this.#endWaits();
    this.#findings.guarded(during, write);
    this.#heir = undefined;
    this.#post({ table: 'power', event: 'reset-ended' });
  }

  /** Without a clock only how often DPS said no is of use: the device then waits as if it had just been told. */
  #left({ attempts, until }: CoolDown): number {
    const { clock, policy, entropy } = this.#ports;
    const left = this.#clockSet && until > 0 ? until - clock.now() : Number.NaN;
    return left <= COOL_DOWN_MAX_MS ? Math.max(0, left) : retrySchedule(policy, entropy, Math.max(1, attempts) - 1).next().value;
  }

  #keepCoolDown(attempts: number, ms: number): void {
    const until = this.#clockSet ? this.#ports.clock.now() + ms : 0;
    this.#findings.guarded('keeping the cool-down', () => this.#mounted().memory.keepCoolDown({ attempts, until }));
  }

  #wait(table: WaitingTable, ms: number): void {
    if (table !== 'power' && table !== 'slots') this.#findings.watcher.waiting?.(table, ms);
    this.#operations.run(table, Number.POSITIVE_INFINITY, async (signal) => {
      await this.#ports.clock.wait(ms, signal);
      return () => this.#post({ table, event: 'due' });
    });
  }

  #mounted(): MountedFlash {
    return present(this.#flash, 'a mounted flash');
  }

  #known(): Identity {
    return present(this.#identity, 'an identity');
  }
}
