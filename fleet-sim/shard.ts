import type { Endpoint } from '@zerotouch/firmware-sim/boot/ports';
import type { Scenario } from '@zerotouch/firmware-sim/scenario/scenario';
import type { OpenTelemetry } from '@zerotouch/firmware-sim/trace/open-telemetry';
import { type CloudPorts, clientPorts } from '@zerotouch/firmware-sim/transport/clients';
import { createWireDps } from '@zerotouch/firmware-sim/transport/wire-dps';
import { createWireHub } from '@zerotouch/firmware-sim/transport/wire-hub';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { AwaitedImages } from './awaited-images.js';
import { type DeviceClient, FleetDevice } from './fleet-device.js';
import type { Tally } from './metrics.js';
import type { Switches } from './power-on.js';
import { Recorder } from './recorder.js';
import type { FleetSpec } from './spec.js';
import type { TracePlace } from './trace/trace-place.js';
import { Contexts } from './wire/contexts.js';
import { leanLines } from './wire/lean-line.js';
import { Pulse } from './wire/pulse.js';
import { Sockets } from './wire/sockets.js';

/** One device of a shard. */
export interface ShardDevice {
  readonly image: string;
  readonly client: FleetSpec['clients'][number];
  readonly switches: Switches;
  readonly region?: string;
  /** Which of the order's scenarios it lives through; absent: none. */
  readonly scenario?: number;
  /** Whether its boots are told as traces. */
  readonly isTraced?: boolean;
}

/** A part of a fleet that one process runs. JSON. */
export interface ShardOrder {
  readonly devices: readonly ShardDevice[];
  readonly endpoint: Endpoint;
  readonly tls: FleetSpec['tls'];
  /** Most devices that boot at a time; absent: as the switches say. */
  readonly booting?: number;
  readonly telemetrySeconds?: number;
  /** Most devices a second that come back after a power cut; absent: all at once, as they do where power comes back. */
  readonly backPerSecond?: number;
  readonly powerOffAfterRunning: boolean;
  /** Its images are burnt as its devices are due. */
  readonly awaitsImages?: boolean;
  readonly writeBack: boolean;
  readonly scenarios: readonly Scenario[];
  readonly sourceAddresses: readonly string[];
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Where the traces of its devices go. */
  readonly traceTo?: TracePlace;
}

/** What a shard acts through. */
export interface ShardParts {
  readonly clock?: Clock;
  /** What the process takes, kilobytes; by default with its garbage collected, where `--expose-gc` allows that. */
  readonly memoryKb?: () => number;
  /** Asked for images that devices wait for, where they are burnt as it goes. */
  readonly wants?: (images: readonly string[]) => void;
  /** Where its traced devices tell what happens. */
  readonly trace?: OpenTelemetry;
}

/** The devices of one process, powered on and off as they are due. */
export class Shard {
  readonly #order: ShardOrder;
  readonly #recorder: Recorder;
  readonly #clock: Clock;
  readonly #devices: FleetDevice[];
  readonly #waiting: number[] = [];
  readonly #images: AwaitedImages;
  readonly #stop = new AbortController();
  readonly #cpuAtStart = process.cpuUsage();
  readonly #memoryKb: () => number;
  readonly #memoryAtStart: number;
  readonly #settledAll: () => void;
  /** Resolves when every device has been running, or never will. */
  readonly settled: Promise<void>;
  #cost: { cpuMs: number; memoryKb: number } | undefined;
  #unsettled: number;
  #booting = 0;
  #resume: (() => void) | undefined;
  #paused: Promise<void> | undefined;

  constructor(order: ShardOrder, { clock = systemClock, memoryKb = collectedMemoryKb, wants = () => undefined, trace }: ShardParts = {}) {
    this.#order = order;
    this.#images = new AwaitedImages(order.awaitsImages === true ? order.devices.map(({ image }) => image) : [], wants);
    this.#clock = clock;
    this.#memoryKb = memoryKb;
    this.#memoryAtStart = memoryKb();
    this.#recorder = new Recorder(clock, order.startedAt, order.devices.length);
    this.#unsettled = order.devices.length;
    let settledAll = (): void => undefined;
    this.settled = new Promise((resolve) => {
      settledAll = resolve;
    });
    this.#settledAll = settledAll;
    const { endpoint, writeBack, telemetrySeconds } = order;
    const contexts = new Contexts(order.tls);
    const ground = {
      endpoint,
      clock,
      entropy: systemEntropy,
      recorder: this.#recorder,
      contexts,
      writeBack,
      telemetryMs: telemetrySeconds === undefined ? undefined : telemetrySeconds * 1000,
    };
    const ports = portsOf(order, contexts, clock);
    const news = { underWay: () => this.#goesOn(), settled: (device: FleetDevice) => this.#hasSettled(device) };
    const traced = { ...ground, trace };
    this.#devices = order.devices.map(({ image, client, scenario, isTraced }) => {
      const own = scenario === undefined ? undefined : order.scenarios[scenario];
      return new FleetDevice({ image, scenario: own }, ports(client), isTraced === true ? traced : ground, news, this.#stop.signal);
    });
    if (this.#unsettled === 0) settledAll();
  }

  /** Powers devices on and off until all switches have been thrown. Never rejects. */
  async run(): Promise<void> {
    const due = this.#order.devices
      .flatMap(({ switches }, index) => switches.map((at, turn) => ({ at, index, on: turn % 2 === 0 })))
      .sort((a, b) => a.at - b.at);
    try {
      for (const { at, index, on } of due) {
        const wait = this.#order.startedAt + at - this.#clock.now();
        if (wait > 0) await this.#clock.wait(wait, this.#stop.signal);
        await this.#paused;
        if (this.#stop.signal.aborted) return;
        if (on) this.#start(index);
        else if (this.#images.letGo(index)) this.#goesOn();
        else void this.#devices[index]?.off();
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }

  /** No device is powered on until {@link resume}. */
  pause(): void {
    this.#paused ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#resume?.();
    this.#paused = undefined;
  }

  /** Takes the power away from a share of the devices that are on, or from a region, for so many milliseconds. */
  async cutPower(which: { share: number } | { region: string }, forMs: number): Promise<void> {
    const cut = this.#devices.filter((device, index) => {
      if (!device.isOn) return false;
      return 'region' in which ? this.#order.devices[index]?.region === which.region : systemEntropy.unit() < which.share;
    });
    await Promise.all(cut.map((device) => device.off()));
    const { backPerSecond } = this.#order;
    try {
      await this.#clock.wait(forMs, this.#stop.signal);
      for (const device of cut) {
        await this.#paused;
        if (this.#stop.signal.aborted) return;
        device.on();
        if (backPerSecond !== undefined) await this.#clock.wait(1000 / backPerSecond, this.#stop.signal);
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }

  get writesBack(): boolean {
    return this.#order.writeBack;
  }

  /** Images are burnt: devices that waited for them are powered on. */
  burnt(images: readonly string[]): void {
    for (const image of images) {
      const index = this.#images.came(image);
      if (index !== undefined) void this.#onUnlessPaused(index);
    }
  }

  /** An image will not be burnt. */
  unburnt(image: string, reason: string): void {
    const index = this.#images.came(image);
    if (index !== undefined) this.#devices[index]?.isNotBurnt(reason);
  }

  async #onUnlessPaused(index: number): Promise<void> {
    await this.#paused;
    if (!this.#stop.signal.aborted) this.#devices[index]?.on();
  }

  /** Everything so far. */
  tally(): Tally {
    const days = this.#devices.map(({ day }) => day).filter((day) => day !== undefined);
    return this.#recorder.tally(this.#cost ?? this.#measured(), days);
  }

  /** Switches everything off; resolves when no socket is left. */
  async end(): Promise<void> {
    this.#cost ??= this.#measured();
    this.#stop.abort();
    this.resume();
    await Promise.all(this.#devices.map((device) => device.off()));
  }

  #start(index: number): void {
    if (this.#booting >= (this.#order.booting ?? Number.POSITIVE_INFINITY)) {
      this.#waiting.push(index);
      return;
    }
    this.#booting += 1;
    if (!this.#images.holds(index)) this.#devices[index]?.on();
  }

  /** A device no longer holds others up. */
  #goesOn(): void {
    this.#booting -= 1;
    // Not inside the step that told it: the machine is at work.
    setImmediate(() => void this.#startNext());
  }

  async #startNext(): Promise<void> {
    await this.#paused;
    const next = this.#stop.signal.aborted ? undefined : this.#waiting.shift();
    if (next !== undefined) this.#start(next);
  }

  #hasSettled(device: FleetDevice): void {
    this.#unsettled -= 1;
    if (this.#unsettled === 0) {
      this.#cost = this.#measured();
      this.#settledAll();
    }
    setImmediate(() => {
      if (this.#stop.signal.aborted) return;
      if (this.#order.powerOffAfterRunning || device.hasHalted) void device.off();
    });
  }

  #measured(): { cpuMs: number; memoryKb: number } {
    const { user, system } = process.cpuUsage(this.#cpuAtStart);
    return { cpuMs: (user + system) / 1000, memoryKb: this.#memoryKb() - this.#memoryAtStart };
  }
}

function portsOf(order: ShardOrder, contexts: Contexts, clock: Clock): (client: ShardDevice['client']) => DeviceClient {
  const sockets = new Sockets({ contexts, clock, sourceAddresses: order.sourceAddresses });
  const open = leanLines({ sockets, pulse: new Pulse(clock) });
  const lean = (own: Clock): CloudPorts => ({ dps: createWireDps({ clock: own, open }), hub: createWireHub({ clock: own, open }) });
  const shared = lean(clock);
  return ({ client, transport }) => {
    if (client === 'lean') return { ports: (own) => (own === clock ? shared : lean(own)), client, transport: 'mqtt' };
    const ports = clientPorts(client, clock, transport);
    return { ports: (own) => (own === clock ? ports : clientPorts(client, own, transport)), client: `${client} ${transport}`, transport };
  };
}

function collectedMemoryKb(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().rss / 1024;
}
