import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { makeServerIdentity } from '@zerotouch/cloud-sim/doors/authority';
import { openImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import type { ShardOrder } from '@zerotouch/fleet-sim/shard';
import { NODE_ARGUMENTS } from '@zerotouch/fleet-sim/shard-handle';
import type { FleetSpec } from '@zerotouch/fleet-sim/spec';
import type { SideAnswer, SideOrder } from './boot-side.js';
import { askSide, forkSide } from './sides.js';

/** Devices that boot at a time. */
const BOOTING = 16;

/** One way to boot: both sides in processes of their own, on one runtime. */
export interface Contender {
  readonly name: string;
  readonly execPath: string;
  readonly client: FleetSpec['clients'][number]['client'] | 'mqtt.js' | 'node:tls';
}

/** What is measured: CPU-milliseconds, or kilobytes once garbage is collected. */
export type Measured = 'cpu' | 'memory';

/** A contender's two processes. */
export class Court {
  readonly contender: Contender;
  readonly #device: ChildProcess;
  readonly #cloud: ChildProcess;
  readonly #at: { port: number; ca: string };
  readonly #what: Measured;
  readonly #costs: number[] = [];

  private constructor(contender: Contender, what: Measured, device: ChildProcess, cloud: ChildProcess, at: { port: number; ca: string }) {
    this.contender = contender;
    this.#what = what;
    this.#device = device;
    this.#cloud = cloud;
    this.#at = at;
  }

  static async open(contender: Contender, what: Measured, batch: string): Promise<Court> {
    const [device, cloud] = [side(contender.execPath), side(contender.execPath)];
    const order = await serverOrder(contender, batch);
    const { port = 0, ca = '' } = await ask(cloud, order);
    return new Court(contender, what, device, cloud, { port, ca });
  }

  /** Boots devices that do not count. */
  async warmUp(images: readonly string[]): Promise<void> {
    await ask(this.#device, this.#order(images));
  }

  async round(images: readonly string[]): Promise<void> {
    const before = await this.#measured();
    await ask(this.#device, this.#order(images));
    this.#costs.push(((await this.#measured()) - before) / images.length);
  }

  /** What a device costs, client and server together: each round's. */
  get costs(): readonly number[] {
    return this.#costs;
  }

  end(): void {
    this.#device.kill('SIGKILL');
    this.#cloud.kill('SIGKILL');
  }

  #order(images: readonly string[]): SideOrder {
    const { client } = this.contender;
    const { port, ca } = this.#at;
    if (client === 'mqtt.js' || client === 'node:tls') return { kind: client, port, ca, devices: images.map(credentialsIn) };
    const order: ShardOrder = {
      devices: images.map((image) => ({ image, client: { client, transport: 'mqtt', share: 1 }, switches: [0] })),
      endpoint: { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port }, ca },
      tls: '1.2',
      booting: BOOTING,
      powerOffAfterRunning: false,
      writeBack: false,
      scenarios: [],
      sourceAddresses: [],
      startedAt: Date.now(),
    };
    return { kind: 'shard', order };
  }

  async #measured(): Promise<number> {
    const order: SideOrder = { kind: 'measure', what: this.#what };
    const [{ amount: device = 0 }, { amount: cloud = 0 }] = await Promise.all([ask(this.#device, order), ask(this.#cloud, order)]);
    return device + cloud;
  }
}

async function serverOrder({ client }: Contender, batch: string): Promise<SideOrder> {
  switch (client) {
    case 'mqtt.js':
      return { kind: 'aedes', identity: await makeServerIdentity(['localhost']) };
    case 'node:tls':
      return { kind: 'echo', identity: await makeServerIdentity(['localhost']) };
    default:
      return { kind: 'cloud', batch };
  }
}

function side(execPath: string): ChildProcess {
  return forkSide('./boot-side.js', execPath, /bun(\.exe)?$/.test(execPath) ? [] : [...NODE_ARGUMENTS]);
}

function ask(child: ChildProcess, order: SideOrder): Promise<SideAnswer> {
  return askSide(child, order);
}

function credentialsIn(image: string): { cert: string; key: string } {
  const { secureCert } = openImage(memoryStorage(readFileSync(image)));
  return { cert: secureCert?.deviceCertificate ?? '', key: secureCert?.privateKey ?? '' };
}
