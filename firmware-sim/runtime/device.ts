import { EventEmitter } from 'node:events';
import { statSync } from 'node:fs';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { AppSlots, type RunningApp } from '@zerotouch/flash-image/app-slots';
import { readEfuseBeside } from '@zerotouch/flash-image/efuse';
import { openImage } from '@zerotouch/flash-image/image';
import { fileStorage, type Storage } from '@zerotouch/flash-image/storage';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { inFileSync } from '@zerotouch/foundation/command/failure';
import { type Entropy, systemEntropy } from '@zerotouch/foundation/entropy';
import { ProcessLock } from '@zerotouch/foundation/process-lock';
import type { Client } from 'azure-iot-device';
import { lifetimeOf } from '../boot/credential.js';
import { Driver } from '../boot/driver.js';
import { type DriverPorts, type DriverWatcher, defaultTimeouts, type Timeouts } from '../boot/driver-ports.js';
import type { AppliedConfig, Counters } from '../boot/kept.js';
import { Memory } from '../boot/memory.js';
import type { Order } from '../boot/obey.js';
import type { ApplicationPort, ConfigPort, Endpoint, Failure, HubSession, MethodCall, MountedFlash } from '../boot/ports.js';
import { defaultRetryPolicy, type RetryPolicy } from '../boot/retry.js';
import type { DeviceWarning } from '../boot/root-warnings.js';
import type { SlotState } from '../boot/slots.js';
import { type DeviceState, deviceState, type TableName } from '../boot/state.js';
import { type Identity, type IdentityTpm, readIdentity } from '../identity/identity.js';
import { Tpm } from '../identity/tpm/tpm.js';
import { BootTrace } from '../trace/boot-trace.js';
import type { OpenTelemetry } from '../trace/open-telemetry.js';
import type { ClientName } from '../transport/client-names.js';
import { clientPorts, portsWithFallback } from '../transport/clients.js';
import type { TransportName } from '../transport/transport-names.js';
import { checkDeviceOptions } from './check-options.js';
import { BootFault } from './faults.js';
import { SettableClock, timePort } from './time-server.js';

/** Answers a direct method: with the payload of the answer, status 200; what it throws is told with status 500. */
export type MethodHandler = (payload: unknown) => JsonObject | Promise<JsonObject>;

/** How a device is powered on. Only `flash` is needed. */
export interface DeviceOptions {
  /** Path of the image (a file, or a block device: a partition, `/dev/mtdblock0`), or the flash itself. */
  readonly flash: string | Storage;
  /** The eFuse of the chip that the image was encrypted for; by default what lies beside the image (`pump-1.efuse`). Secret. */
  readonly efuse?: Uint8Array;
  /**
   * The device's TPM, for an image that holds neither certificate nor key: how it is reached (`/dev/tpmrm0`, `swtpm:host=127.0.0.1,port=2321`),
   * or the TPM itself. DPS takes one over AMQP and HTTPS.
   */
  readonly tpm?: string | IdentityTpm;
  /** `sdk`: Microsoft's clients, the default. `wire`: this project's own, over the `mqtt` package. */
  readonly client?: ClientName;
  /** How to speak to the cloud; `mqtt` unless given. `http` is for DPS only: the hub is then reached by MQTT. */
  readonly transport?: TransportName;
  /**
   * Whether MQTT goes by WebSocket (port 443) where a network lets nothing through on port 8883; the device remembers that for a week. True unless
   * given; a gateway needs to have `ports.https`.
   */
  readonly fallback?: boolean;
  /**
   * `issued`: DPS makes out a certificate for the hub at each registration, which is renewed before it runs out; the device's enrolment needs a
   * credential policy. Asked for over MQTT, and by our own client, since Microsoft's does not know it. Default `burnt`: what was burnt serves both.
   */
  readonly certificate?: 'burnt' | 'issued';
  /** Where to go. By default the DPS that was burnt, port 8883, and hubs by their own names. */
  readonly endpoint?: Endpoint | ((identity: Identity) => Endpoint);
  /** Makes the device what the desired properties say; throws when it cannot. By default everything is accepted. */
  readonly apply?: ConfigPort['apply'];
  /**
   * Whether a new application does its work, asked once the device has been running with it for a minute; throws when it does not, and the one
   * before is booted again. By default a device that runs is proof enough.
   */
  readonly check?: ApplicationPort['check'];
  /**
   * Direct methods of the application, by name, besides the commands that every device obeys (`reprovision`, `restart`, `factory-reset`,
   * `change-owner`).
   */
  readonly methods?: Readonly<Record<string, MethodHandler>>;
  readonly clock?: Clock;
  /** Time servers (SNTP), `host` or `host:port`: asked in their order when the machine was never told the time. Default: none. */
  readonly timeServers?: readonly string[];
  readonly entropy?: Entropy;
  readonly policy?: Partial<RetryPolicy>;
  readonly timeouts?: Partial<Timeouts>;
  /**
   * Tells each boot, and each way back to the hub, as an OpenTelemetry trace: hand in the package (`import * as otel from '@opentelemetry/api'`),
   * whose tracer provider is yours.
   */
  readonly trace?: OpenTelemetry;
  /** Stands between the device and all that it acts through: another transport, or faults to be lived through. */
  readonly ports?: (ports: DriverPorts) => DriverPorts;
}

/** What a device tells; times in milliseconds since power on. */
export interface DeviceEvents {
  /** A state was entered. */
  state: [DeviceState & { ms: number }];
  /** An image with application slots: the slots table entered a state, with this application running. */
  slots: [{ state: SlotState; running: RunningApp | undefined; ms: number }];
  /** An operation failed; the device goes on as its tables say. */
  failure: [{ during: string; failure: Failure }];
  /** A wait begins. */
  wait: [{ table: TableName; ms: number }];
  /** The flash did not take a write, or what was burnt cannot be used. */
  fault: [{ during: string; error: Error }];
  /** Something works today and is known to end: a server root that retires. Each once a boot. */
  warning: [DeviceWarning];
  /** Configured and connected; again after every reconnection. */
  running: [];
  /** Nothing but a new burn helps. */
  halted: [];
}

/**
 * One device: an image, the boot machine, and a client. It keeps itself connected until {@link stop}.
 */
export class Device extends EventEmitter<DeviceEvents> {
  readonly #driver: Driver;
  readonly #clock: Clock;
  readonly #methods: Readonly<Record<string, MethodHandler>>;
  /** The session whose calls are answered. */
  #answered: HubSession | undefined;
  #startedAt = 0;
  #bootMs: number | undefined;
  #counters: Counters = { boots: 0, registrations: 0 };

  /** @throws BootFault BAD_OPTION */
  constructor(options: DeviceOptions) {
    super();
    checkDeviceOptions(options);
    const clock = new SettableClock(options.clock ?? systemClock);
    this.#clock = clock;
    this.#methods = options.methods ?? {};
    const { client = 'sdk', transport = 'mqtt', fallback = true } = options;
    const memory = (): Memory | undefined => this.#driver.flash?.memory;
    const ports: DriverPorts = {
      mount: () => mountFlash(options),
      endpoint: endpointOf(options.endpoint),
      time: timePort(clock, options.timeServers ?? []),
      ...(fallback ? portsWithFallback(client, clock, transport, memory) : clientPorts(client, clock, transport)),
      ...(options.certificate === 'issued' ? issuance(clock, options.transport) : {}),
      config: { apply: options.apply ?? (async () => undefined) },
      application: options.check === undefined ? undefined : { check: options.check },
      clock,
      entropy: options.entropy ?? systemEntropy,
      policy: { ...defaultRetryPolicy, ...options.policy },
      timeouts: { ...defaultTimeouts, ...options.timeouts },
    };
    const watcher: DriverWatcher = {
      stepped: (machine) => this.emit('state', { ...deviceState(machine), ms: this.#elapsed() }),
      slots: (state) => this.emit('slots', { state, running: this.application, ms: this.#elapsed() }),
      failed: (during, failure) => this.emit('failure', { during, failure }),
      waiting: (table, ms) => this.emit('wait', { table, ms }),
      fault: (during, error) => this.emit('fault', { during, error }),
      warned: (warning) => this.emit('warning', warning),
      halted: () => this.emit('halted'),
      running: () => {
        this.#bootMs ??= this.#elapsed();
        this.#answerMethods();
        this.emit('running');
      },
    };
    const { trace: api } = options;
    const trace = api === undefined ? undefined : new BootTrace({ api, clock, client, transport, device: () => this.#driver });
    this.#driver = new Driver(options.ports?.(ports) ?? ports, trace?.between(watcher) ?? watcher);
  }

  /** Switches the device on. */
  start(): void {
    this.#startedAt = this.#clock.monotonic();
    this.#bootMs = undefined;
    this.#driver.powerOn();
  }

  /** Switches it off: every connection is ended and the flash closed when this resolves. */
  async stop(): Promise<void> {
    try {
      this.#counters = this.counters;
    } catch {
      // Flash that can no longer be read keeps nobody from switching the device off.
    }
    await this.#driver.powerOff();
  }

  /**
   * Tells the device what its hub can tell it by a direct method: `reprovision`, `restart`, `factory-reset`, `change-owner`.
   * False in a state that has no use for it.
   */
  obey(order: Order): boolean {
    return this.#driver.obey(order);
  }

  /**
   * Takes a new application (an image as esptool makes it) into the slot that does not run, and boots it on trial: it stays once the device has
   * run with it for a minute and {@link DeviceOptions.check} finds nothing; any other restart, or half an hour without that, goes back. What
   * comes of it is told by `slots` and `fault`. False where the image has no slots, or the application that runs is itself on trial.
   */
  update(application: Uint8Array): boolean {
    return this.#driver.update(application);
  }

  /** The application that the bootloader chose; `undefined` where the image has no slots or nothing in them. */
  get application(): RunningApp | undefined {
    return this.#driver.flash?.slots?.running;
  }

  get state(): DeviceState {
    return deviceState(this.#driver.machine);
  }

  /**
   * The official `azure-iot-device` client of the present connection, for methods and messages of an application's own; `undefined` with the
   * wire client, and while there is no connection. A new connection has a new client: attach handlers at each `running`.
   */
  get client(): Client | undefined {
    const { session } = this.#driver;
    const client: unknown = Reflect.get(Object(session), 'client');
    return client as Client | undefined;
  }

  get registrationId(): string | undefined {
    return this.#driver.identity?.registrationId;
  }

  /** Host name of the hub, once assigned. */
  get hub(): string | undefined {
    return this.#driver.assignment?.hub;
  }

  get deviceId(): string | undefined {
    return this.#driver.assignment?.deviceId;
  }

  /** The configuration in force. */
  get config(): AppliedConfig | undefined {
    return this.#driver.applied;
  }

  /** What works today and is known to end; each was told once as `warning`. */
  get warnings(): readonly DeviceWarning[] {
    return this.#driver.warnings;
  }

  /** How often this image has been booted and assigned. */
  get counters(): Counters {
    return this.#driver.flash?.memory.counters() ?? this.#counters;
  }

  /** How the device's flash has worn: sectors of `nvs` erased so far, and those that take no more writes; `undefined` while none is mounted. */
  get wear(): { readonly erasures: number; readonly badSectors: number } | undefined {
    return this.#driver.flash?.memory.wear();
  }

  /** The certificates that it proves itself with, and until when each is good, milliseconds since 1970: what was burnt, and what DPS issued. */
  get certificates(): readonly { readonly certificate: 'burnt' | 'issued'; readonly until: number }[] {
    const { identity, assignment } = this.#driver;
    const burnt =
      identity?.attestation.kind === 'x509' ? [{ certificate: 'burnt' as const, until: lifetimeOf(identity.attestation).until }] : [];
    const { credential } = assignment ?? {};
    return credential === undefined ? burnt : [...burnt, { certificate: 'issued', until: lifetimeOf(credential).until }];
  }

  /** Milliseconds from power on to the first `running`. */
  get bootMs(): number | undefined {
    return this.#bootMs;
  }

  /**
   * Sends one telemetry message; resolves when the hub has acknowledged it.
   * @throws BootFault NOT_CONNECTED when there is no hub or it did not take the message
   */
  async send(message: JsonObject, signal: AbortSignal = AbortSignal.timeout(defaultTimeouts.requestMs)): Promise<void> {
    const session: HubSession | undefined = this.#driver.session;
    const outcome = session === undefined ? undefined : await session.send(message, signal);
    if (outcome?.outcome !== 'sent') {
      throw new BootFault('NOT_CONNECTED', 'the message was not taken', {
        where: this.registrationId ?? 'device',
        seen: outcome?.detail ?? this.state.state,
        expected: 'a device in state running',
      });
    }
  }

  /**
   * Lays a patch over the reported properties; resolves when the hub has it.
   * @throws BootFault NOT_CONNECTED when there is no hub or it did not take the patch
   */
  async report(patch: JsonObject, signal: AbortSignal = AbortSignal.timeout(defaultTimeouts.requestMs)): Promise<void> {
    const outcome = await this.#driver.session?.report(patch, signal);
    if (outcome?.outcome === 'reported') return;
    throw new BootFault('NOT_CONNECTED', 'the reported properties were not taken', {
      where: this.registrationId ?? 'device',
      seen: outcome?.detail ?? this.state.state,
      expected: 'a device in state running',
    });
  }

  #answerMethods(): void {
    const session = this.#driver.session;
    if (session === undefined || session === this.#answered) return;
    this.#answered = session;
    const names = Object.keys(this.#methods);
    if (names.length > 0) session.onMethod?.(names, (call) => void this.#answerMethod(call));
  }

  async #answerMethod({ name, payload, respond }: MethodCall): Promise<void> {
    try {
      const answer = await (this.#methods[name] as MethodHandler)(payload);
      await respond(200, answer);
    } catch (error) {
      await respond(500, { error: error instanceof Error ? error.message : String(error) });
    }
  }

  #elapsed(): number {
    return Math.round(this.#clock.monotonic() - this.#startedAt);
  }
}

function mountFlash({ flash, efuse, tpm }: DeviceOptions): MountedFlash {
  if (typeof flash !== 'string') return mountStorage(flash, efuse, tpm);
  // Two processes that write one image each go by what they last read of it.
  // A block device is opened for one process alone.
  const lock = isBlockDevice(flash) ? undefined : ProcessLock.take(`${flash}.lock`, 'the image is in use');
  try {
    const mounted = inFileSync(flash, () => {
      const key = efuse ?? readEfuseBeside(flash);
      return mountStorage(fileStorage(flash), key, tpm);
    });
    return {
      memory: mounted.memory,
      slots: mounted.slots,
      identity: () => inFileSync(flash, () => mounted.identity()),
      close: () => {
        mounted.close();
        lock?.[Symbol.dispose]();
      },
    };
  } catch (error) {
    lock?.[Symbol.dispose]();
    throw error;
  }
}

function isBlockDevice(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isBlockDevice() === true;
}

function mountStorage(storage: Storage, efuse: Uint8Array | undefined, named: DeviceOptions['tpm']): MountedFlash {
  try {
    const image = openImage(storage, efuse === undefined ? {} : { efuse });
    const tpm = typeof named === 'string' ? new Tpm(named) : named;
    return {
      identity: () => readIdentity(image, tpm),
      memory: new Memory(image.nvs),
      slots: AppSlots.boot(storage, image.layout),
      close() {
        storage.close();
        if (tpm instanceof Tpm) void tpm[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    storage.close();
    throw error;
  }
}

/** The code that makes keys is loaded when a key is made. */
function issuance(clock: Clock, transport: TransportName = 'mqtt'): Pick<DriverPorts, 'dps' | 'credentials'> {
  const way = transport === 'mqtt' || transport === 'amqp' ? 'mqtt' : 'mqtt-ws';
  return {
    dps: clientPorts('wire', clock, way).dps,
    credentials: { request: async (id) => (await import('../identity/signing-request.js')).makeSigningRequest(id) },
  };
}

function endpointOf(endpoint: DeviceOptions['endpoint']): (identity: Identity) => Endpoint {
  if (typeof endpoint === 'function') return endpoint;
  return (identity) => endpoint ?? { dpsHost: identity.endpoint, dpsPort: 8883 };
}
