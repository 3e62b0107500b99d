import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { build } from 'esbuild';
import type { SideAnswer, SideOrder } from './boot-side.js';
import { type BenchResult, median, resultOf, round } from './measure.js';
import { askSide, forkSide, imagesOf, withBatch } from './sides.js';
import type { StartAnswer, StartOrder } from './start-side.js';

/** Starts of each contender, taking turns. */
const ROUNDS = 15;

const contenders = [
  { name: 'zerotouch', kind: 'zerotouch', client: 'sdk' },
  { name: 'zerotouch, wire client', kind: 'zerotouch', client: 'wire' },
  { name: 'bare SDK by hand', kind: 'bare SDK', client: 'sdk' },
] as const;

type Temperature = 'cold' | 'warm';

/**
 * A device from power on to running, its own side, each start in a process of its own: cold through DPS, warm to the hub that is remembered. Ours is
 * bundled as it is published. The peer is the bare official SDK doing the same by hand: provision, connect, get the twin, report. Told twice: from
 * before the first import, and from the call of `powerOn`, for which an application has read our code among its own.
 */
export async function benchStart(): Promise<BenchResult> {
  return withBatch(ROUNDS * contenders.length, async (_, batch) => {
    const device = await bundledDevice();
    const images = imagesOf(batch);
    const cloud = forkSide('./boot-side.js');
    const taken = new Map<string, StartAnswer[]>();
    try {
      const order: SideOrder = { kind: 'cloud', batch };
      const { port = 0, ca = '' } = await askSide<SideAnswer>(cloud, order);
      for (let turn = 0; turn < ROUNDS; turn++) {
        for (const { name, kind, client } of contenders) {
          const image = images.pop() ?? '';
          const start: StartOrder = { kind, client, device, image, identity: identityIn(image), port, ca };
          const cold = await startOnce(start);
          keep(`${name} cold`, cold);
          keep(`${name} warm`, await startOnce({ ...start, hub: cold.hub }));
        }
      }
    } finally {
      cloud.kill('SIGKILL');
    }
    const [ours, wire, peer] = contenders.map(({ name }) => name) as [string, string, string];
    const fromPowerOn = (temperature: Temperature, what: 'cpuMs' | 'ms'): number =>
      median((taken.get(`${ours} ${temperature}`) ?? []).map((answer) => answer[what] - answer[what === 'ms' ? 'readMs' : 'readCpuMs']));
    const figure = (name: string, temperature: Temperature, what: 'cpuMs' | 'ms'): number =>
      round(median((taken.get(`${name} ${temperature}`) ?? []).map((answer) => answer[what])));
    const told = (temperature: Temperature, what: 'cpuMs' | 'ms') => ({
      zerotouch: figure(ours, temperature, what),
      [wire]: figure(wire, temperature, what),
      [peer]: figure(peer, temperature, what),
      timesPeer: round(figure(ours, temperature, what) / figure(peer, temperature, what)),
      timesPeerFromPowerOn: round(fromPowerOn(temperature, what) / figure(peer, temperature, what)),
    });
    return resultOf(
      'start',
      "CPU-ms a cold start, device's side",
      figure(ours, 'cold', 'cpuMs'),
      { peer: { [peer]: figure(peer, 'cold', 'cpuMs') }, limit: {} },
      {
        coldCpuMs: told('cold', 'cpuMs'),
        coldMs: told('cold', 'ms'),
        warmCpuMs: told('warm', 'cpuMs'),
        warmMs: told('warm', 'ms'),
      },
    );

    function keep(name: string, answer: StartAnswer): void {
      taken.set(name, [...(taken.get(name) ?? []), answer]);
    }
  });
}

async function startOnce(order: StartOrder): Promise<StartAnswer> {
  const side = forkSide('./start-side.js');
  try {
    return await askSide<StartAnswer>(side, order);
  } finally {
    side.kill('SIGKILL');
  }
}

export function identityIn(image: string): StartOrder['identity'] {
  const { factory, secureCert } = openImage(memoryStorage(readFileSync(image)));
  const { idScope = '', registrationId = '' } = factory as { idScope?: string; registrationId?: string };
  return { idScope, registrationId, cert: secureCert?.deviceCertificate ?? '', key: secureCert?.privateKey ?? '' };
}

/** Bundles `firmware-sim` as `npm run pack` does, and tells the module that has `powerOn`. */
async function bundledDevice(): Promise<string> {
  const room = new URL('../../../firmware-sim/', import.meta.url);
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(new URL('package.json', room), 'utf8')) as Record<string, object>;
  const outdir = new URL('./device/', import.meta.url);
  await build({
    entryPoints: [fileURLToPath(new URL('build/runtime/power-on.js', room))],
    outdir: fileURLToPath(outdir),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !name.startsWith('@zerotouch/')),
  });
  return new URL('power-on.js', outdir).href;
}
