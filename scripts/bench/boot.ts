import { type ChildProcess, execFileSync, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeServerAuthority, makeServerIdentity, type ServerAuthority } from '@zerotouch/cloud-sim/doors/authority';
import { openImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import type { ShardOrder } from '@zerotouch/fleet-sim/shard';
import type { FleetSpec } from '@zerotouch/fleet-sim/spec';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { validityFrom } from '@zerotouch/manufacturing/authority';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import {
  drawSerialNumber,
  issueCertificate,
  issuerOf,
  makeKeyPair,
  privateKeyPem,
  publicKeyBytes,
  selfSign,
} from '@zerotouch/manufacturing/certificates';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import type { SideAnswer, SideOrder } from './boot-side.js';
import { type BenchResult, resultOf, round } from './measure.js';

/** Devices a round, and rounds, of which the first warms up: the contenders take turns, and the medians of the others are told. */
const DEVICES = 200;
const ROUNDS = 5;
const BOOTING = 16;

/** One way to boot: both sides in processes of their own, on one runtime. */
interface Contender {
  readonly name: string;
  readonly execPath: string;
  readonly client: FleetSpec['clients'][number]['client'] | 'mqtt.js';
}

/** What a device costs, client and server together. */
interface Cost {
  readonly cpuMs: number;
  readonly kb: number;
}

/**
 * CPU time of a whole boot, both sides: from the image over two mutual TLS handshakes, registration and twin to running. Peers: Microsoft's client
 * against the same cloud, and mqtt.js with aedes saying as much. Limit: OpenSSL's own handshake in C, twice.
 */
export async function benchBoot(): Promise<BenchResult> {
  return withBatch(async (folder, batch) => {
    const handshake = await compiledHandshake(folder);
    const limits: number[] = [];
    const costs = await measure(contenders(), batch, () => {
      if (handshake !== undefined) limits.push(handshake());
    });
    const limit = handshake === undefined ? undefined : median(limits);
    const figure = (name: string): number => round(costs.get(name)?.cpuMs ?? Number.NaN);
    const runtimes = [...costs.keys()].filter((name) => name.startsWith('zerotouch'));
    const two = limit === undefined ? Number.NaN : round(2 * limit);
    return resultOf(
      'boot',
      'CPU-ms a whole boot, device and cloud',
      figure('zerotouch'),
      { peer: peersOf(costs, figure), limit: { 'two OpenSSL handshakes': two } },
      {
        onOtherRuntimes: Object.fromEntries(
          runtimes
            .filter((name) => name !== 'zerotouch')
            .map((name) => [name, { cpuMs: figure(name), ratioToLimit: round(two / figure(name)) }]),
        ),
        ...(limit === undefined ? { limitMissing: 'needs gcc and the headers of OpenSSL (libssl-dev)' } : {}),
      },
    );
  });
}

/** Memory of a connected device, both sides: what the processes grow by, garbage collected. */
export async function benchMemory(): Promise<BenchResult> {
  return withBatch(async (_, batch) => {
    const costs = await measure(contenders(), batch);
    const figure = (name: string): number => round(costs.get(name)?.kb ?? Number.NaN);
    const others = [...costs.keys()].filter((name) => name.startsWith('zerotouch') && name !== 'zerotouch');
    return resultOf(
      'memory',
      'KB a connected device, device and cloud',
      figure('zerotouch'),
      { peer: peersOf(costs, figure), limit: {} },
      { onOtherRuntimes: Object.fromEntries(others.map((name) => [name, figure(name)])) },
    );
  });
}

function peersOf(costs: ReadonlyMap<string, Cost>, figure: (name: string) => number): Record<string, number> {
  return Object.fromEntries([...costs.keys()].filter((name) => !name.startsWith('zerotouch')).map((name) => [name, figure(name)]));
}

/** This runtime, and others where ZEROTOUCH_NODE (as many as a path separated by colons) and ZEROTOUCH_BUN name them. */
function contenders(): Contender[] {
  const own = process.execPath;
  const others = [...(process.env.ZEROTOUCH_NODE?.split(':') ?? []), process.env.ZEROTOUCH_BUN ?? ''].filter((path) => existsSync(path));
  return [
    { name: 'zerotouch', execPath: own, client: 'lean' },
    { name: 'official SDK', execPath: own, client: 'sdk' },
    { name: 'mqtt.js with aedes', execPath: own, client: 'mqtt.js' },
    ...others.map((execPath): Contender => {
      const version = execFileSync(execPath, ['--version'], { encoding: 'utf8' }).trim();
      const runtime = version.startsWith('v') ? `Node ${version.slice(1)}` : `Bun ${version}`;
      return { name: `zerotouch on ${runtime}`, execPath, client: 'lean' };
    }),
  ];
}

/** @param between called between the rounds, so that it meets the same load */
async function measure(all: readonly Contender[], batch: string, between = (): void => undefined): Promise<Map<string, Cost>> {
  const images = readdirSync(join(batch, 'images'))
    .filter((name) => name.endsWith('.bin'))
    .map((name) => join(batch, 'images', name));
  const courts = [];
  try {
    for (const contender of all) courts.push(await Court.open(contender, batch));
    for (let turn = 0; turn < ROUNDS; turn++) {
      for (const court of courts) await court.round(images.slice(turn * DEVICES, (turn + 1) * DEVICES), turn > 0);
      between();
    }
    return new Map(courts.map((court) => [court.contender.name, court.cost()]));
  } finally {
    for (const court of courts) court.end();
  }
}

/** A contender's two processes. */
class Court {
  readonly contender: Contender;
  readonly #device: ChildProcess;
  readonly #cloud: ChildProcess;
  readonly #at: { port: number; ca: string };
  readonly #cpu: number[] = [];
  readonly #kb: number[] = [];

  private constructor(contender: Contender, device: ChildProcess, cloud: ChildProcess, at: { port: number; ca: string }) {
    this.contender = contender;
    this.#device = device;
    this.#cloud = cloud;
    this.#at = at;
  }

  static async open(contender: Contender, batch: string): Promise<Court> {
    const [device, cloud] = [side(contender.execPath), side(contender.execPath)];
    const order: SideOrder =
      contender.client === 'mqtt.js' ? { kind: 'aedes', identity: await makeServerIdentity(['localhost']) } : { kind: 'cloud', batch };
    const { port = 0, ca = '' } = await ask(cloud, order);
    return new Court(contender, device, cloud, { port, ca });
  }

  async round(images: readonly string[], counts: boolean): Promise<void> {
    const before = await this.#measured();
    await ask(this.#device, this.#order(images));
    const after = await this.#measured();
    if (!counts) return;
    this.#cpu.push((after.cpuMs - before.cpuMs) / images.length);
    this.#kb.push((after.rssKb - before.rssKb) / images.length);
  }

  cost(): Cost {
    return { cpuMs: median(this.#cpu), kb: this.#kb.reduce((sum, kb) => sum + kb, 0) / this.#kb.length };
  }

  end(): void {
    this.#device.kill('SIGKILL');
    this.#cloud.kill('SIGKILL');
  }

  #order(images: readonly string[]): SideOrder {
    const { client } = this.contender;
    const { port, ca } = this.#at;
    if (client === 'mqtt.js') return { kind: 'mqtt.js', port, ca, devices: images.map(credentialsIn) };
    const order: ShardOrder = {
      devices: images.map((image) => ({ image, client: { client, transport: 'mqtt', share: 1 }, switches: [0] })),
      endpoint: { dpsHost: 'localhost', dpsPort: port, gateway: { host: 'localhost', port }, ca },
      tls: '1.2',
      booting: BOOTING,
      powerOffAfterRunning: false,
      writeBack: false,
      sourceAddresses: [],
      startedAt: Date.now(),
    };
    return { kind: 'shard', order };
  }

  async #measured(): Promise<{ cpuMs: number; rssKb: number }> {
    const [device, cloud] = await Promise.all([ask(this.#device, { kind: 'measure' }), ask(this.#cloud, { kind: 'measure' })]);
    return { cpuMs: device.cpuMs + cloud.cpuMs, rssKb: device.rssKb + cloud.rssKb };
  }
}

function side(execPath: string): ChildProcess {
  const isNode = !/bun(\.exe)?$/.test(execPath);
  return fork(fileURLToPath(new URL('./boot-side.js', import.meta.url)), {
    execPath,
    execArgv: isNode ? ['--expose-gc'] : [],
    serialization: 'json',
  });
}

async function ask(child: ChildProcess, order: SideOrder): Promise<SideAnswer> {
  child.send(order);
  const over = new AbortController();
  try {
    const ended = once(child, 'exit', { signal: over.signal }).then(([code]): never => {
      throw new Error(`a side of the bench ended with ${code} at ${order.kind}`);
    });
    ended.catch(() => undefined);
    const [answer] = (await Promise.race([once(child, 'message', { signal: over.signal }), ended])) as [SideAnswer];
    return answer;
  } finally {
    over.abort();
  }
}

function credentialsIn(image: string): { cert: string; key: string } {
  const { secureCert } = openImage(memoryStorage(readFileSync(image)));
  return { cert: secureCert?.deviceCertificate ?? '', key: secureCert?.privateKey ?? '' };
}

async function withBatch<T>(work: (folder: string, batch: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'zerotouch-bench-'));
  try {
    const batch = join(folder, 'batch');
    const count = DEVICES * ROUNDS;
    const text = `version: 1\nbatch: bench\ngroups:\n  - { enrolmentGroup: bench, attestation: x509, registrationId: "pump-{serial}", serial: { count: ${count} }, initialTwin: { desired: { interval: 30 } } }\n`;
    await burnBatch(parseSpec(text, 'bench.yaml'), { out: batch, clock: systemClock, entropy: systemEntropy });
    return await work(folder, batch);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Tells what OpenSSL takes for one mutual handshake, CPU-milliseconds; `undefined` where it cannot be compiled. */
async function compiledHandshake(folder: string): Promise<(() => number) | undefined> {
  const program = join(folder, 'handshake');
  const source = fileURLToPath(new URL('../../bench/handshake.c', import.meta.url));
  if (spawnSync('gcc', ['-O2', '-o', program, source, '-lssl', '-lcrypto'], { stdio: 'ignore' }).status !== 0) return undefined;
  const authority: ServerAuthority = await makeServerAuthority();
  const server = await makeServerIdentity(['localhost'], [], authority);
  const device = await makeDevice();
  const files = {
    'ca.pem': `${server.ca.trim()}\n${device.ca}`,
    'server.pem': server.certificate,
    'server.key': server.privateKey,
    'device.pem': device.cert,
    'device.key': device.key,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), `${text.trim()}\n`, { mode: 0o600 });
  return () => Number(execFileSync(program, ['500', folder], { encoding: 'utf8' }));
}

async function makeDevice(): Promise<{ ca: string; cert: string; key: string }> {
  const make = async (commonName: string) => {
    const pair = await makeKeyPair();
    const validity = validityFrom(systemClock, 30);
    return {
      pair,
      request: { commonName, publicKey: publicKeyBytes(pair.publicKey), serialNumber: drawSerialNumber(systemEntropy), validity },
    };
  };
  const root = await make('bench root');
  const ca = await selfSign({ ...root.request, authority: {} }, root.pair.privateKey);
  const device = await make('bench-1');
  return {
    ca: `${ca.trim()}\n`,
    cert: await issueCertificate(device.request, await issuerOf(ca, root.pair.privateKey)),
    key: privateKeyPem(device.pair.privateKey),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
