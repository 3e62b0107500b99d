import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createSecureContext, createServer, type PeerCertificate, type TLSSocket } from 'node:tls';
import type { ServerIdentity } from '@zerotouch/cloud-sim/doors/authority';

/** The peers of `npm run bench -- boot` and `-- memory`: others that say as much on the wire, and the least that can be said. */

/** A device of a peer. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** Where a peer's devices go. */
export interface Place {
  readonly port: number;
  readonly ca: string;
}

/** What must not be collected: everything that is connected. */
const kept: unknown[] = [];

/** A general broker behind TLS. @returns its port */
export async function aedes(identity: ServerIdentity): Promise<number> {
  const { Aedes } = await import('aedes');
  const broker = await Aedes.createBroker();
  return listen(identity, (socket) => {
    broker.handle(socket);
  });
}

/** A server that says back what it hears. @returns its port */
export function echo(identity: ServerIdentity): Promise<number> {
  return listen(identity, (socket) => {
    socket.on('data', (said) => socket.write(said));
    socket.on('error', () => undefined);
  });
}

async function listen({ certificate, privateKey, ca }: ServerIdentity, accept: (socket: TLSSocket) => void): Promise<number> {
  const server = createServer({
    cert: certificate,
    key: privateKey,
    ca,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.setNoDelay(true);
    accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** What a boot says on the wire, said by a general client to a general broker: two sign-ins, two questions at each, the second one stays. */
export async function mqttBoot({ cert, key }: Credentials, { port, ca }: Place): Promise<void> {
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

/** A context and two connections, one word on each, the second one stays: what no device can do without. */
export async function bareBoot({ cert, key }: Credentials, { port, ca }: Place): Promise<void> {
  const secureContext = createSecureContext({ cert, key, ca, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
  for (const stay of [false, true]) {
    const socket = connect({ host: '127.0.0.1', port, secureContext, servername: 'localhost', checkServerIdentity: () => undefined });
    // As the fleet does it: OpenSSL verifies the chain, the runtime is not asked for it as an object.
    socket.getPeerCertificate = () => ({}) as PeerCertificate as never;
    socket.setNoDelay(true);
    await once(socket, 'secureConnect');
    socket.write('x');
    await once(socket, 'data');
    if (stay) kept.push(socket);
    else {
      socket.destroy();
      await once(socket, 'close');
    }
  }
}
