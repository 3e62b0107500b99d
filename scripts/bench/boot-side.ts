import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import type { ServerIdentity } from '@zerotouch/cloud-sim/doors/authority';
import { Shard, type ShardOrder } from '@zerotouch/fleet-sim/shard';

/** One side of `npm run bench -- boot` and `-- memory`, in a process of its own: does as it is told, and tells its CPU time and memory. */
export type SideOrder =
  | { readonly kind: 'cloud'; readonly batch: string }
  | { readonly kind: 'aedes'; readonly identity: ServerIdentity }
  | { readonly kind: 'shard'; readonly order: ShardOrder }
  | {
      readonly kind: 'mqtt.js';
      readonly devices: readonly { cert: string; key: string }[];
      readonly port: number;
      readonly ca: string;
    }
  | { readonly kind: 'measure' };

export interface SideAnswer {
  readonly port?: number;
  readonly ca?: string;
  readonly cpuMs: number;
  readonly rssKb: number;
}

/** Connections that are under way at a time. */
const AT_ONCE = 16;
/** What must not be collected: everything that is connected. */
const kept: unknown[] = [];

process.on('message', (order: SideOrder) => {
  obey(order).then(
    (told) => process.send?.({ ...told, ...measured() } satisfies SideAnswer),
    (error: unknown) => {
      process.stderr.write(`bench: ${order.kind}: ${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));

async function obey(order: SideOrder): Promise<{ port?: number; ca?: string }> {
  switch (order.kind) {
    case 'measure':
      return {};
    case 'cloud': {
      const { startCloud } = await import('@zerotouch/cloud-sim/cloud');
      const cloud = await startCloud({ retryAfterSeconds: 0 });
      await cloud.import(JSON.parse(readFileSync(join(order.batch, 'enrolments.json'), 'utf8')) as EnrolmentFile);
      return { port: cloud.dps.mqttPort, ca: cloud.ca };
    }
    case 'aedes':
      return { port: await aedes(order.identity), ca: order.identity.ca };
    case 'shard': {
      const shard = new Shard(order.order);
      kept.push(shard);
      await Promise.all([shard.run(), shard.settled]);
      const { booted, devices, reasons } = shard.tally();
      if (booted < devices) throw new Error(`${devices - booted} devices did not boot: ${JSON.stringify(reasons)}`);
      return {};
    }
    case 'mqtt.js': {
      const rest = [...order.devices];
      const work = async (): Promise<void> => {
        for (let device = rest.pop(); device !== undefined; device = rest.pop()) await mqttBoot(device, order);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      return {};
    }
  }
}

async function aedes({ certificate, privateKey, ca }: ServerIdentity): Promise<number> {
  const { Aedes } = await import('aedes');
  const broker = await Aedes.createBroker();
  const server = createServer({
    cert: certificate,
    key: privateKey,
    ca,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.setNoDelay(true);
    broker.handle(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** What a boot says on the wire, said by a general client to a general broker: two sign-ins, two questions at each, the second one stays. */
async function mqttBoot({ cert, key }: { cert: string; key: string }, { port, ca }: { port: number; ca: string }): Promise<void> {
  const { connectAsync } = await import('mqtt');
  for (const stay of [false, true]) {
    const id = `${Math.random()}`;
    const client = await connectAsync({
      protocol: 'mqtts',
      host: 'localhost',
      port,
      cert,
      key,
      ca,
      clientId: id,
      reconnectPeriod: 0,
      clean: true,
    });
    await client.subscribeAsync(`${id}/res`, { qos: 1 });
    for (let count = 0; count < 2; count++) {
      const answer = new Promise<void>((resolve) => client.once('message', () => resolve()));
      await client.publishAsync(`${id}/res`, '{"operationId":"4.1","status":"assigning"}', { qos: 1 });
      await answer;
    }
    if (stay) kept.push(client);
    else await client.endAsync();
  }
}

function measured(): { cpuMs: number; rssKb: number } {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  const { user, system } = process.cpuUsage();
  gc?.();
  Bun?.gc(true);
  return { cpuMs: (user + system) / 1000, rssKb: process.memoryUsage().rss / 1024 };
}
