import { Driver } from '@zerotouch/firmware-sim/boot/driver';
import { type DriverPorts, defaultTimeouts } from '@zerotouch/firmware-sim/boot/driver-ports';
import type { Endpoint, MountedFlash } from '@zerotouch/firmware-sim/boot/ports';
import { defaultRetryPolicy } from '@zerotouch/firmware-sim/boot/retry';
import type { CloudPorts } from '@zerotouch/firmware-sim/transport/clients';
import { isTimeKnown } from '@zerotouch/firmware-sim/transport/time-known';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
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
}

/** One device: an image, the boot machine that every device runs, and the figures it leaves. */
export class FleetDevice {
  readonly #ground: DeviceGround;
  readonly #ports: CloudPorts;
  readonly #client: string;
  readonly #flash: FleetFlash;
  readonly #settled: (device: FleetDevice) => void;
  #driver: Driver | undefined;
  #startedAt = 0;
  #online = false;
  #booted = false;
  #lastFault = 'the image cannot be used';
  #telemetry: AbortController | undefined;

  /** @param settled called once, when the device runs for the first time or never will */
  constructor(
    image: string,
    { ports, client }: { ports: CloudPorts; client: string },
    ground: DeviceGround,
    settled: (device: FleetDevice) => void,
  ) {
    this.#ground = ground;
    this.#ports = ports;
    this.#client = client;
    this.#flash = new FleetFlash(image, ground.writeBack);
    this.#settled = settled;
  }

  get isOn(): boolean {
    return this.#driver !== undefined;
  }

  /** Whether it has been running. */
  get hasBooted(): boolean {
    return this.#booted;
  }

  on(): void {
    if (this.#driver !== undefined) return;
    const { clock, entropy, endpoint, recorder } = this.#ground;
    this.#startedAt = clock.monotonic();
    const ports: DriverPorts = {
      mount: () => this.#mount(),
      endpoint: () => endpoint,
      time: { set: async () => (isTimeKnown(clock) ? 'clock-set' : 'clock-unset') },
      ...this.#ports,
      config: { apply: async () => undefined },
      clock,
      entropy,
      policy: defaultRetryPolicy,
      timeouts: defaultTimeouts,
    };
    const driver = new Driver(ports, {
      stepped: ({ session }) => {
        if (session !== 'connected') this.#offline();
      },
      failed: (during, failure) => recorder.failed(during, failure),
      waiting: () => recorder.retried(),
      fault: (_, error) => {
        this.#lastFault = error.message;
      },
      halted: () => {
        recorder.halted('booting', this.#lastFault);
        this.#settled(this);
      },
      running: () => this.#running(driver),
    });
    this.#driver = driver;
    recorder.power(1);
    driver.powerOn();
  }

  /** Takes its power away; resolves when its sockets are gone. */
  async off(): Promise<void> {
    const driver = this.#driver;
    if (driver !== undefined) this.#ground.recorder.power(-1);
    this.#driver = undefined;
    this.#offline();
    await driver?.powerOff();
  }

  #mount(): MountedFlash {
    const { contexts, endpoint } = this.#ground;
    const mounted = this.#flash.mount();
    return {
      ...mounted,
      identity: () => {
        const identity = mounted.identity();
        // Made here, where a key that is not the certificate's stops the device; the lean client finds it when it connects.
        if (this.#client === 'lean') contexts.of(identity.attestation, identity.serverRoots?.pem ?? endpoint.ca);
        return identity;
      },
    };
  }

  #running(driver: Driver): void {
    const { clock, contexts, recorder } = this.#ground;
    if (!this.#online) recorder.online(1);
    this.#online = true;
    const { identity, assignment } = driver;
    if (identity !== undefined) contexts.giveBack(identity.attestation);
    this.#sendOften(driver);
    if (this.#booted) return;
    this.#booted = true;
    const kind = `${identity?.attestation.kind ?? 'unknown'} ${this.#client}`;
    recorder.booted(kind, assignment?.hub ?? 'none', clock.monotonic() - this.#startedAt);
    this.#settled(this);
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
