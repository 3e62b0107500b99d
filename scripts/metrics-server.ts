import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Fault } from '@zerotouch/foundation/fault';
import type { Registry } from 'prom-client';

/** Metrics that can be scraped. */
export interface MetricsServer extends AsyncDisposable {
  readonly url: string;
}

/**
 * Serves metrics for Prometheus on the loopback address, under `/metrics`. They tell how much, never who: no id of a device is in them.
 * @throws Fault PORT_IN_USE
 */
export async function serveMetrics(registry: Registry, port: number): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('metrics are at /metrics\n');
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType, 'cache-control': 'no-store' }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch (cause) {
    throw new Fault(
      'PORT_IN_USE',
      `the port of the metrics cannot be listened on (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`,
      {
        where: `--metrics ${port}`,
        remedy: 'choose another port, or 0 for a free one',
        cause,
      },
    );
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
