import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import type { ServerIdentity } from '@zerotouch/cloud-sim/doors/authority';
import { tlsSettings } from '@zerotouch/cloud-sim/doors/listener';

/** A server of `npm run bench -- connect`, in a process of its own: asked for it, it tells the CPU time that it has taken. */

/** What the bench sends first: which server, and the certificate of the bare one. */
export interface ServerOrder {
  kind: 'cloud' | 'bare';
  identity: ServerIdentity;
}

/** CONNACK, accepted. */
const CONNACK = Buffer.from([0x20, 2, 0, 0]);

process.once('message', (order: ServerOrder) => {
  void open(order).then((port) => {
    process.send?.({ port });
    process.on('message', () => {
      const { user, system } = process.cpuUsage();
      process.send?.({ cpuMs: (user + system) / 1000 });
    });
  });
});

async function open({ kind, identity }: ServerOrder): Promise<number> {
  if (kind === 'cloud') return (await startCloud()).dps.mqttPort;
  // The least that a server in Node can do for a client: shake hands, answer, let go.
  const server = createServer(tlsSettings(identity, 30_000), (socket) => {
    socket.setNoDelay(true);
    socket.once('data', () => socket.write(CONNACK));
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
