import type { FastifyRequest } from 'fastify';

/** Where a caller reached us: the links that it gets lead there again. */
export function originOf({ headers }: FastifyRequest): string {
  return `https://${headers.host ?? 'localhost'}`;
}
