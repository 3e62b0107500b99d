import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { FleetFault } from '../faults.js';

/** Listens on the loopback address. @returns the port @throws FleetFault PORT_IN_USE */
export async function listenOn(app: FastifyInstance, port: number, what: string): Promise<number> {
  try {
    await app.listen({ host: '127.0.0.1', port });
  } catch (cause) {
    throw new FleetFault(
      'PORT_IN_USE',
      `the port of ${what} cannot be listened on (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`,
      {
        where: `127.0.0.1:${port}`,
        remedy: 'choose another port, or 0 for a free one',
        cause,
      },
    );
  }
  return (app.server.address() as AddressInfo).port;
}
