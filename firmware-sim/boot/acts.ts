import type { X509Certificate } from 'node:crypto';
import type { Identity } from '../identity/identity.js';
import { ConfigActs } from './config-acts.js';
import { credentialAttestation, credentialOf, lifetimeOf } from './credential.js';
import type { DriverPorts, DriverWatcher } from './driver-ports.js';
import { Findings, present } from './findings.js';
import type { AppliedConfig, Assignment, CoolDown, Owner } from './kept.js';
import { registerWithEitherKey, withKey } from './key-roll.js';
import type { Memory } from './memory.js';
import { methodNames, type Order, readOrder } from './obey.js';
import { Operations } from './operations.js';
import type { Endpoint, HubSession, MethodCall, MountedFlash, SigningRequest } from './ports.js';
import { retrySchedule } from './retry.js';
import { type DeviceWarning, rootWarnings } from './root-warnings.js';
import { SlotActs } from './slot-acts.js';
import type { Machine, MachineEffect, MachineEvent, WaitingTable } from './supervisor.js';

/** A certificate that could not be renewed is tried again after this, or after an eighth of what is left of it. */
const RENEW_AGAIN_MS = 60 * 60_000;

/** A kept cool-down longer than this comes from a clock that was wrong. */
const COOL_DOWN_MAX_MS = 24 * 60 * 60_000;

/**
 * What each effect of the boot machine does, through the ports, and what one device holds meanwhile: its flash, identity, assignment,
 * session. Whatever comes of an effect is posted as an event; nothing is decided here.
 */
export class Acts {
  readonly #ports: DriverPorts;
  readonly #findings: Findings;
  readonly #post: (event: MachineEvent) => void;
  readonly #operations: Operations;
  readonly #config: ConfigActs;
  readonly #slots: SlotActs;
  #flash: MountedFlash | undefined;
  #identity: Identity | undefined;
  #endpoint: Endpoint | undefined;
  #assignment: Assignment | undefined;
  #session: HubSession | undefined;
  #clockSet = false;
  /** DPS took the secondary key last. */
  #secondKey = false;
  /** The next registration is for a new certificate alone: until it succeeds, the assignment known is good. */
  #renewing = false;
  /** The assignment as it is in flash. */
  #remembered: Assignment | undefined;
  /** The burnt root that a server's chain ended at last. */
  #serverRoot: X509Certificate | undefined;
  #warnings: readonly DeviceWarning[] = [];
  /** Who takes the device over, until that is kept. */
  #heir: Owner | undefined;

  constructor(ports: DriverPorts, watcher: DriverWatcher, post: (event: MachineEvent) => void, machine: () => Machine) {
    this.#ports = ports;
    this.#findings = new Findings(post, watcher);
    this.#post = post;
    this.#operations = new Operations(ports.clock, () => post({ table: 'power', event: 'hung' }));
    this.#config = new ConfigActs({
      ports,
      operations: this.#operations,
      findings: this.#findings,
      machine,
      session: () => present(this.#session, 'a session'),
      keep: (config) => this.#mounted().memory.keepConfig(this.#known().idScope, config),
      failedBoots: () => this.#mounted().memory.failedBoots(),
      warnings: () => (this.#known().serverRoots === undefined ? undefined : this.#warnings),
    });
    this.#slots = new SlotActs({ ports, operations: this.#operations, findings: this.#findings, slots: () => this.#flash?.slots });
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** Where it goes, as it was told last. */
  get endpoint(): Endpoint | undefined {
    return this.#endpoint;
  }

  get assignment(): Assignment | undefined {
    return this.#assignment;
  }

  get session(): HubSession | undefined {
    return this.#session;
  }

  get applied(): AppliedConfig | undefined {
    return this.#config.applied;
  }

  get flash(): MountedFlash | undefined {
    return this.#flash;
  }

  carryOut(effect: MachineEffect): void {
    if (effect.do === 'wait') this.#wait(effect.table, effect.ms);
    else if (effect.do === 'keep-cool-down') this.#keepCoolDown(effect.attempts, effect.ms);
    else this.#acts[effect.do]();
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

  readonly #acts: Readonly<Record<Exclude<MachineEffect['do'], 'wait' | 'keep-cool-down'>, () => void>> = {
    mount: () => this.#mount(),
    identify: () => this.#identify(),
    'set-clock': () => this.#setClock(),
    recall: () => this.#recall(),
    register: () => this.#register(),
    'commit-assignment': () => this.#commitAssignment(),
    'cancel-assignment': () => this.#operations.cancel('assignment'),
    connect: () => this.#connect(),
    disconnect: () => this.#disconnect(),
    pull: () => this.#config.pull(),
    apply: () => this.#config.apply(),
    restore: () => this.#config.restore(),
    'commit-config': () => this.#config.commit(),
    report: () => this.#config.report(),
    announce: () => this.#config.announce(),
    'cancel-config': () => this.#operations.cancel('config'),
    'check-slot': () => this.#slots.check(),
    'commit-slot': () => this.#slots.commit(),
    'roll-back-slot': () => this.#slots.rollBack(),
    'write-slot': () => this.#slots.write(),
    'switch-slot': () => this.#slots.switchOver(),
    'cancel-slots': () => this.#operations.cancel('slots'),
    arrive: () => this.#arrive(),
    trust: () => this.#trust(),
    restart: () => this.#restart(),
    erase: () => this.#reset('erasing the flash', () => this.#mounted().memory.erase()),
    adopt: () => this.#reset('keeping the new owner', () => this.#mounted().memory.keepOwner(present(this.#heir, 'a new owner'))),
    halt: () => this.#findings.watcher.halted?.(),
    'switch-off': () => this.#endWaits(),
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
      this.#endpoint = this.#ports.endpoint(this.#identity);
      this.#warnings = [];
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
    this.#assignment = undefined;
    this.#findings.guarded('counting the boot', () => memory.countBoot());
    this.#secondKey = memory.usesSecondKey();
    this.#findings.guarded('reading the configuration', () => this.#config.recall(memory.config(idScope)));
    this.#findings.guarded('reading how earlier boots ended', () => this.#heed(memory));
    this.#findings.guarded('reading the assignment', () => {
      this.#assignment = memory.assignment(idScope);
      this.#remembered = this.#assignment;
    });
    this.#renewing = this.#renewalDue();
    this.#post({ table: 'power', event: this.#assignment === undefined || this.#renewing ? 'not-cached' : 'cached' });
  }

  #heed(memory: Memory): void {
    const { policy } = this.#ports;
    const coolDown = policy.keepMs === Number.POSITIVE_INFINITY ? undefined : memory.coolDown();
    if (coolDown !== undefined) this.#post({ table: 'assignment', attempts: coolDown.attempts, waitMs: this.#left(coolDown) });
    if (memory.failedBoots() >= policy.failedBoots) this.#post({ table: 'power', event: 'looping' });
  }

  #register(): void {
    const identity = this.#known();
    const endpoint = this.#destination();
    const known = this.#renewing ? this.#assignment : undefined;
    this.#renewing = false;
    this.#operations.run('assignment', this.#ports.timeouts.registerMs, async (signal, current) => {
      const signing = await this.#signingRequest(identity.registrationId);
      const { outcome, second } = await registerWithEitherKey(identity.attestation, this.#secondKey, (attestation) =>
        this.#ports.dps.register(
          { identity: { ...identity, attestation }, endpoint, ...(signing === undefined ? {} : { signingRequest: signing.der }) },
          (sign) => {
            if (!current()) return;
            if (sign !== 'polling') this.#post({ table: 'assignment', event: sign });
            this.#findings.watcher.signed?.(sign);
          },
          signal,
        ),
      );
      return () => {
        if (second !== this.#secondKey) {
          this.#secondKey = second;
          this.#findings.guarded('remembering which key was taken', () => this.#mounted().memory.keepKey(second));
        }
        if (
          outcome.outcome !== 'assigned' &&
          known?.credential !== undefined &&
          this.#ports.clock.now() < lifetimeOf(known.credential).until
        ) {
          this.#findings.watcher.failed?.('renewing the certificate', outcome);
          this.#post({ table: 'assignment', event: 'assigned' });
          return;
        }
        if (outcome.outcome !== 'assigned') {
          this.#findings.failure('assignment', 'registering', outcome);
          return;
        }
        this.#assignment = { hub: outcome.hub, deviceId: outcome.deviceId };
        const { issued } = outcome;
        if (signing !== undefined && issued !== undefined) {
          this.#findings.guarded('reading the certificate that DPS issued', () => {
            this.#assignment = { ...this.#assigned(), credential: credentialOf(issued, signing.privateKey) };
          });
        }
        this.#post({ table: 'assignment', event: 'assigned' });
      };
    });
  }

  /** A device that can make no key goes to its hub with what was burnt. */
  async #signingRequest(registrationId: string): Promise<SigningRequest | undefined> {
    try {
      return await this.#ports.credentials?.request(registrationId);
    } catch (error) {
      this.#findings.fault('making a key', error);
      return undefined;
    }
  }

  #commitAssignment(): void {
    const assignment = this.#assigned();
    if (assignment === this.#remembered) {
      this.#post({ table: 'assignment', event: 'committed' });
      return;
    }
    this.#remembered = assignment;
    const kept = this.#findings.guarded('keeping the assignment', () =>
      this.#mounted().memory.keepAssignment(this.#known().idScope, assignment),
    );
    this.#post({ table: 'assignment', event: kept ? 'committed' : 'commit-failed' });
  }

  #connect(): void {
    this.#config.forgetTwin();
    const identity = this.#known();
    const assignment = this.#assigned();
    const { credential } = assignment;
    // What DPS issued is for the hub alone; what was burnt is none of the hub then.
    const attestation = credential === undefined ? withKey(identity.attestation, this.#secondKey) : credentialAttestation(credential);
    const request = { identity: { ...identity, attestation }, endpoint: this.#destination(), assignment };
    this.#operations.run('session', this.#ports.timeouts.connectMs, async (signal, current) => {
      const outcome = await this.#ports.hub.connect(request, signal);
      if (outcome.outcome === 'connected' && !current()) await outcome.session.close();
      return () => {
        if (outcome.outcome !== 'connected') {
          this.#findings.failure('session', 'connecting to the hub', outcome);
          return;
        }
        this.#session = outcome.session;
        this.#lookAtRoots();
        this.#post({ table: 'session', event: 'connected' });
        this.#listen(outcome.session);
      };
    });
  }

  #lookAtRoots(): void {
    const { serverRoots } = this.#known();
    if (serverRoots === undefined) return;
    const before = this.#warnings;
    this.#warnings = rootWarnings(serverRoots, this.#serverRoot, this.#clockSet ? this.#ports.clock.now() : undefined);
    for (const warning of this.#warnings) {
      if (!before.some(({ code, where }) => code === warning.code && where === warning.where)) this.#findings.watcher.warned?.(warning);
    }
  }

  #listen(session: HubSession): void {
    session.onLost((failure) => {
      if (this.#session !== session) return;
      this.#findings.watcher.failed?.('staying connected', failure);
      this.#post({ table: 'session', event: 'lost' });
    });
    session.onDesired((patch) => {
      if (this.#session === session) this.#config.desired(patch);
    });
    session.onMissed?.(() => {
      if (this.#session === session) this.#config.missed();
    });
    session.onMethod?.(methodNames, (call) => {
      if (this.#session === session) void this.#answer(call);
    });
  }

  /** The answer first: what the order does may well end the connection. */
  async #answer(call: MethodCall): Promise<void> {
    const order = readOrder(call.name, call.payload);
    if ('refusal' in order) {
      await call.respond(400, { error: order.refusal });
      return;
    }
    await call.respond(202, { accepted: order.command });
    this.obey(order);
  }

  #disconnect(): void {
    this.#operations.cancel('session');
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) this.#operations.keep(session.close());
  }

  #arrive(): void {
    this.#findings.guarded('forgetting the cool-down', () => this.#mounted().memory.forgetCoolDown());
    this.#planRenewal();
    this.#findings.watcher.running?.();
  }

  #renewalDue(): boolean {
    const credential = this.#assignment?.credential;
    if (credential === undefined || !this.#clockSet || this.#ports.credentials === undefined) return false;
    return this.#ports.clock.now() >= lifetimeOf(credential).renewAt;
  }

  /** A device that is never switched off renews its certificate all the same. */
  #planRenewal(): void {
    const { clock, credentials } = this.#ports;
    const credential = this.#assignment?.credential;
    if (credential === undefined || !this.#clockSet || credentials === undefined) return;
    const { renewAt, until } = lifetimeOf(credential);
    const now = clock.now();
    const ms = renewAt > now ? renewAt - now : Math.max(RENEW_AGAIN_MS, (until - now) / 8);
    this.#operations.run('renewal', Number.POSITIVE_INFINITY, async (signal) => {
      await clock.wait(ms, signal);
      return () => {
        this.#renewing = true;
        this.#post({ table: 'power', event: 'reprovision' });
      };
    });
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

  // Asked anew for each attempt: a cloud that was started again may be elsewhere, with another certificate authority.
  #destination(): Endpoint {
    this.#findings.guarded('finding out where to go', () => {
      this.#endpoint = this.#ports.endpoint(this.#known());
    });
    const endpoint = present(this.#endpoint, 'an endpoint');
    const { serverRoots } = this.#known();
    if (serverRoots === undefined) return endpoint;
    // What was burnt holds over what the runtime trusts and was given: a device in the field has nothing else.
    const onRoot = (root: X509Certificate): void => {
      this.#serverRoot = root;
    };
    return { ...endpoint, ca: serverRoots.pem, onRoot };
  }

  #mounted = (): MountedFlash => present(this.#flash, 'a mounted flash');
  #known = (): Identity => present(this.#identity, 'an identity');
  #assigned = (): Assignment => present(this.#assignment, 'an assignment');
}
