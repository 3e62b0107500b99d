import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SideAnswer, SideOrder } from './boot-side.js';
import { type BenchResult, median, resultOf, round } from './measure.js';
import { askSide, forkSide, imagesOf, withBatch } from './sides.js';
import { identityIn } from './start.js';
import type { StartAnswer, StartOrder } from './start-side.js';

/** Agents of each kind, one after the other. */
const ROUNDS = 3;
/** How long a process is left alone before it is looked at: V8 gives back what the start took only when it has been idle, milliseconds. */
const REST_MS = 30_000;

const command = fileURLToPath(new URL('../../../firmware-sim/build/zerotouch-device.js', import.meta.url));

/**
 * What the device agent keeps resident, connected and idle: `zerotouch-device agent` with its health socket and watch of its settings, beside a process
 * that does the same by hand with the bare official SDK (provision, connect, twin, report) and nothing else. Linux.
 */
export async function benchAgent(): Promise<BenchResult> {
  return withBatch(2 * ROUNDS, async (folder, batch) => {
    const cloud = forkSide('./boot-side.js');
    const images = imagesOf(batch);
    const figures = { sdk: [] as number[], wire: [] as number[], bare: [] as number[] };
    try {
      const order: SideOrder = { kind: 'cloud', batch };
      const { port = 0, ca = '' } = await askSide<SideAnswer>(cloud, order);
      writeFileSync(join(folder, 'ca.pem'), ca);
      writeFileSync(join(folder, 'cloud.json'), JSON.stringify({ dps: { host: 'localhost', mqttPort: port }, ca: 'ca.pem' }));
      for (let turn = 0; turn < ROUNDS; turn++) {
        const [image = '', other = ''] = images.splice(0, 2);
        figures.sdk.push(await resting(await startAgent(folder, image, 'sdk')));
        figures.wire.push(await resting(await startAgent(folder, image, 'wire')));
        const side = forkSide('./start-side.js');
        const start: StartOrder = {
          kind: 'bare SDK',
          client: 'sdk',
          device: '',
          image: other,
          identity: identityIn(other),
          port,
          ca,
          stay: true,
        };
        await askSide<StartAnswer>(side, start);
        figures.bare.push(await resting(side));
      }
    } finally {
      cloud.kill('SIGKILL');
    }
    const bare = round(median(figures.bare));
    const ours = round(median(figures.sdk));
    const more = { wire: round(median(figures.wire)), timesPeer: round(ours / bare), wanted: 1.15 };
    return resultOf('agent', 'KB resident, connected and idle', ours, { peer: { 'bare SDK': bare }, limit: {} }, more);
  });
}

async function startAgent(folder: string, image: string, client: 'sdk' | 'wire'): Promise<ChildProcess> {
  const settings = join(folder, 'device.yaml');
  writeFileSync(settings, `version: 1\nimage: ${image}\nclient: ${client}\ncloud: cloud.json\nhealthSocket: health.sock\n`);
  const agent = spawn(process.execPath, [command, 'agent', '--config', settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface(agent.stdout as NodeJS.ReadableStream);
  for await (const line of lines) if (/^<5>running /.test(line)) break;
  agent.stdout?.resume();
  return agent;
}

/** Resident memory after a rest, KB; the process is ended. Source: proc(5), VmRSS. */
async function resting(process: ChildProcess): Promise<number> {
  await sleep(REST_MS);
  const status = readFileSync(`/proc/${process.pid}/status`, 'utf8');
  const ended = once(process, 'exit');
  process.kill('SIGTERM');
  await ended;
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
}
