import { Driver } from '@zerotouch/firmware-sim/boot/driver';
import { type DriverPorts, type DriverWatcher, defaultTimeouts } from '@zerotouch/firmware-sim/boot/driver-ports';
import type { Endpoint, MountedFlash } from '@zerotouch/firmware-sim/boot/ports';
import { defaultRetryPolicy } from '@zerotouch/firmware-sim/boot/retry';
import { deviceState } from '@zerotouch/firmware-sim/boot/state';
import type { Scenario } from '@zerotouch/firmware-sim/scenario/scenario';
import { BootTrace } from '@zerotouch/firmware-sim/trace/boot-trace';
import type { OpenTelemetry } from '@zerotouch/firmware-sim/trace/open-telemetry';
import type { CloudPorts } from '@zerotouch/firmware-sim/transport/clients';
import { isTimeKnown } from '@zerotouch/firmware-sim/transport/time-known';
import type { TransportName } from '@zerotouch/firmware-sim/transport/transport-names';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { BadDay } from './bad-day.js';
import { FleetFlash } from './images.js';
import type { Recorder } from './recorder.js';
import type { Contexts } from './wire/contexts.js';

/** What the devices of a process share. */
export interface DeviceGround {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly recorder: Recorder;
  readonly contexts: Contexts;
  readonly writeBack: boolean;
  /** Milliseconds between messages of a running device; absent: none. */
  readonly telemetryMs?: number | undefined;
  /** Where the device tells what happens; absent: nowhere. */
  readonly trace?: OpenTelemetry | undefined;
}

/** How a device speaks. */
export interface DeviceClient {
  /** By the device's own clock. */
  readonly ports: (clock: Clock) => CloudPorts;
  /** Client and transport, in words. */
  readonly client: string;
  readonly transport: TransportName;
}

/** What a device tells whoever powers it on, once each. */
export interface DeviceNews {
  /** It no longer holds others up: it runs, waits for another try, or never will run. */
  readonly underWay: (device: FleetDevice) => void;
  /** It runs for the first time, or never will; a device with a bad day: the day is over. */
  readonly settled: (device: FleetDevice) => void;
}

/** One device: an image, the boot machine that every device runs, and the figures it leaves. */
export class FleetDevice {
  readonly #ground: DeviceGround;
  readonly #speaks: DeviceClient;
  readonly #flash: FleetFlash;
  readonly #news: DeviceNews;
  readonly #over: AbortSignal;
  /** The bad day that it lives through, if any. */
  readonly day: BadDay | undefined;
  #driver: Driver | undefined;
  #wanted = false;
  #cycling: Promise<void> | undefined;
  #heeding = false;
  #startedAt: number | undefined;
  #online = false;
  #booted = false;
  #halted = false;
  readonly #told = new Set<keyof DeviceNews>();
  #lastFault = 'the image cannot be used';
  #telemetry: AbortController | undefined;

  /** @param over aborted when the fleet is over */
  constructor(
    { image, scenario }: { image: string; scenario?: Scenario | undefined },
    speaks: DeviceClient,
    ground: DeviceGround,
    news: DeviceNews,
    over: AbortSignal,
  ) {
    this.#ground = ground;
    this.#speaks = speaks;
    this.#news = news;
    this.#over = over;
    const day = scenario === undefined ? undefined : new BadDay(scenario, ground.clock, () => this.#heed());
    this.day = day;
    this.#flash = new FleetFlash(image, ground.writeBack, day === undefined ? undefined : (cells) => day.chipOver(image, cells));
  }

  get isOn(): boolean {
    return this.#driver !== undefined;
  }

  /** Whether only a new burn helps it. */
  get hasHalted(): boolean {
    return this.#halted;
  }

  on(): void {
    this.#wanted = true;
    if (this.#driver === undefined && this.#cycling === undefined) this.#switchOn();
  }

  /** Takes its power away; resolves when its sockets are gone. */
  async off(): Promise<void> {
    this.#wanted = false;
    await Promise.all([this.#cycling, this.#switchOff()]);
  }

  /** It has no image, and will not get one. */
  isNotBurnt(reason: string): void {
    this.#lastFault = reason;
    this.#halt('burning');
  }

  #switchOn(): void {
    const { entropy, endpoint, recorder, trace: api } = this.#ground;
    const { day } = this;
    const clock = day?.time ?? this.#ground.clock;
    // A bad day counts from its beginning.
    if (day === undefined || this.#startedAt === undefined) this.#startedAt = this.#ground.clock.monotonic();
    const ports: DriverPorts = {
      mount: () => this.#mount(),
      endpoint: () => endpoint,
      time: { set: async () => (isTimeKnown(clock) ? 'clock-set' : 'clock-unset') },
      ...this.#speaks.ports(clock),
      config: { apply: async () => undefined },
      clock,
      entropy,
      policy: defaultRetryPolicy,
      timeouts: defaultTimeouts,
    };
    this.#beginDay();
    const watcher: DriverWatcher = {
      stepped: (machine) => {
        if (machine.session !== 'connected') this.#offline();
        if (this.#driver === driver) day?.entered(deviceState(machine).state);
        this.#heed();
      },
      failed: (during, failure) => recorder.failed(during, failure, day?.scenario.name),
      waiting: () => {
        recorder.retried();
        if (day !== undefined) this.#tell('underWay');
      },
      fault: (_, error) => {
        this.#lastFault = error.message;
        this.#heed();
      },
      halted: () => {
        if (day === undefined || day.hasPower) this.#halt();
      },
      running: () => this.#running(driver),
    };
    const trace = api === undefined ? undefined : new BootTrace({ ...this.#speaks, api, clock, device: () => driver });
    const driver: Driver = new Driver(day?.between(ports) ?? ports, trace?.between(watcher) ?? watcher);
    this.#driver = driver;
    recorder.power(1);
    driver.powerOn();
  }

  async #switchOff(): Promise<void> {
    const driver = this.#driver;
    if (driver !== undefined) this.#ground.recorder.power(-1);
    this.#driver = undefined;
    this.#offline();
    await driver?.powerOff();
  }

  #beginDay(): void {
    const { day } = this;
    if (day === undefined) return;
    try {
      this.#flash.load();
    } catch {
      // An image that is gone stops the device when it mounts it.
      return;
    }
    day.powered({ obey: (command) => this.#driver?.obey({ command }) }, this.#over);
  }

  /** Looks at what a bad day has come to, not inside the step that brought it about: the machine is at work. */
  #heed(): void {
    const { day } = this;
    if (day === undefined || this.#heeding) return;
    this.#heeding = true;
    setImmediate(() => {
      this.#heeding = false;
      if (this.#driver === undefined) return;
      if (!day.hasPower) this.#cycle();
      else if (day.hasEnded) this.#closeDay(day);
    });
  }

  /** Its power went by itself, and comes back. */
  #cycle(): void {
    this.#tell('underWay');
    this.#cycling ??= this.#switchOff().then(() => {
      this.#cycling = undefined;
      if (this.#wanted) this.#switchOn();
    });
  }

  #closeDay(day: BadDay): void {
    if (this.#told.has('settled')) return;
    if (day.close()) this.#boots(this.#driver?.identity?.attestation.kind, this.#driver?.assignment?.hub, `, ${day.scenario.name}`);
    this.#tell('settled');
  }

  #halt(during = 'booting'): void {
    this.#halted = true;
    this.#ground.recorder.halted(during, this.#lastFault, this.day?.scenario.name);
    if (!this.#told.has('settled')) this.day?.close();
    this.#tell('settled');
  }

  #tell(what: keyof DeviceNews): void {
    for (const news of what === 'settled' ? (['underWay', 'settled'] as const) : [what]) {
      if (this.#told.has(news)) continue;
      this.#told.add(news);
      this.#news[news](this);
    }
  }

  #mount(): MountedFlash {
    const { contexts, endpoint } = this.#ground;
    const mounted = this.#flash.mount();
    return {
      ...mounted,
      identity: () => {
        const identity = mounted.identity();
        // Made here, where a key that is not the certificate's stops the device; the lean client finds it when it connects.
        if (this.#speaks.client === 'lean') contexts.of(identity.attestation, identity.serverRoots?.pem ?? endpoint.ca);
        return identity;
      },
    };
  }

  #running(driver: Driver): void {
    const { contexts, recorder } = this.#ground;
    if (!this.#online) recorder.online(1);
    this.#online = true;
    const { identity, assignment } = driver;
    if (identity !== undefined) contexts.giveBack(identity.attestation);
    this.#sendOften(driver);
    if (this.day !== undefined) {
      this.#tell('underWay');
      return;
    }
    this.#boots(identity?.attestation.kind, assignment?.hub);
    this.#tell('settled');
  }

  #boots(attestation = 'unknown', hub = 'none', suffix = ''): void {
    if (this.#booted) return;
    this.#booted = true;
    const { clock, recorder } = this.#ground;
    recorder.booted(`${attestation} ${this.#speaks.client}${suffix}`, hub, clock.monotonic() - (this.#startedAt ?? 0));
  }

  #offline(): void {
    if (!this.#online) return;
    this.#online = false;
    this.#telemetry?.abort();
    this.#ground.recorder.online(-1);
  }

  #sendOften(driver: Driver): void {
    const { telemetryMs, clock, entropy, recorder } = this.#ground;
    if (telemetryMs === undefined) return;
    this.#telemetry?.abort();
    const stop = new AbortController();
    this.#telemetry = stop;
    const send = async (): Promise<void> => {
      for (;;) {
        // Spread, so that devices that came together do not speak in one voice.
        await clock.wait(telemetryMs * (0.5 + entropy.unit()), stop.signal);
        const outcome = await driver.session?.send({ celsius: Math.round(entropy.unit() * 400) / 10 }, stop.signal);
        if (outcome?.outcome === 'sent') recorder.sent();
      }
    };
    send().catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
    });
  }
}
