import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import type { ServerIdentity } from '@zerotouch/cloud-sim/doors/authority';
import { Shard, type ShardOrder } from '@zerotouch/fleet-sim/shard';
import { aedes, bareBoot, type Credentials, echo, mqttBoot, type Place } from './boot-peers.js';

/** One side of `npm run bench -- boot` and `-- memory`, in a process of its own: does as it is told, and tells its CPU time and memory. */
export type SideOrder =
  | { readonly kind: 'cloud'; readonly batch: string }
  | { readonly kind: 'aedes' | 'echo'; readonly identity: ServerIdentity }
  | { readonly kind: 'shard'; readonly order: ShardOrder }
  | ({ readonly kind: 'mqtt.js' | 'node:tls'; readonly devices: readonly Credentials[] } & Place)
  | { readonly kind: 'measure'; readonly what: 'cpu' | 'memory' };

/** `amount`: what was measured, CPU-milliseconds so far or kilobytes now. */
export interface SideAnswer {
  readonly port?: number;
  readonly ca?: string;
  readonly amount?: number;
}

/** Connections that are under way at a time. */
const AT_ONCE = 16;
/** What must not be collected: everything that is connected. */
const kept: unknown[] = [];

process.on('message', (order: SideOrder) => {
  obey(order).then(
    (told) => process.send?.(told),
    (error: unknown) => {
      process.stderr.write(`bench: ${order.kind}: ${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));

async function obey(order: SideOrder): Promise<SideAnswer> {
  switch (order.kind) {
    case 'measure':
      return { amount: order.what === 'cpu' ? cpuMs() : await collectedKb() };
    case 'cloud': {
      const { startCloud } = await import('@zerotouch/cloud-sim/cloud');
      const cloud = await startCloud({ retryAfterSeconds: 0 });
      await cloud.import(JSON.parse(readFileSync(join(order.batch, 'enrolments.json'), 'utf8')) as EnrolmentFile);
      return { port: cloud.dps.mqttPort, ca: cloud.ca };
    }
    case 'aedes':
      return { port: await aedes(order.identity), ca: order.identity.ca };
    case 'echo':
      return { port: await echo(order.identity), ca: order.identity.ca };
    case 'shard': {
      const shard = new Shard(order.order, { memoryKb: () => 0 });
      kept.push(shard);
      await Promise.all([shard.run(), shard.settled]);
      const { booted, devices, reasons } = shard.tally();
      if (booted < devices) throw new Error(`${devices - booted} devices did not boot: ${JSON.stringify(reasons)}`);
      return {};
    }
    case 'mqtt.js':
    case 'node:tls': {
      const rest = [...order.devices];
      const boot = order.kind === 'mqtt.js' ? mqttBoot : bareBoot;
      const work = async (): Promise<void> => {
        for (let device = rest.pop(); device !== undefined; device = rest.pop()) await boot(device, order);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      return {};
    }
  }
}

/** Nothing is collected for it: with so few devices a round, and so many connected, that would cost more than the boots do. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What a collection finds may hold more (sockets their TLS), which only the next one can free. */
const COLLECTIONS = 4;

async function collectedKb(): Promise<number> {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  for (let count = 0; count < COLLECTIONS; count++) {
    gc?.();
    Bun?.gc(true);
    await setImmediate();
  }
  return process.memoryUsage().rss / 1024;
}
