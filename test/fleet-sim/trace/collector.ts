import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

/** A span as OTLP JSON has it. */
interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  events: { name: string; attributes: OtlpSpan['attributes'] }[];
  status: { code: number; message?: string };
}

/** One request to a collector, or one line of a file. */
export interface OtlpRequest {
  resourceSpans: { resource: { attributes: OtlpSpan['attributes'] }; scopeSpans: { spans: OtlpSpan[] }[] }[];
}

/** A span in its place; children in the order in which they began. */
export interface SpanTree {
  name: string;
  isCall: boolean;
  startMs: number;
  endMs: number;
  attributes: Record<string, unknown>;
  events: { name: string; attributes: Record<string, unknown> }[];
  error: string | undefined;
  children: SpanTree[];
}

const read = (attributes: OtlpSpan['attributes']): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, 'intValue' in value ? Number(value.intValue) : Object.values(value)[0]]));

/** The traces in requests, by their roots, in the order in which they began. */
export function treesOf(requests: readonly OtlpRequest[]): SpanTree[] {
  const spans = requests.flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans)),
  );
  const nano = (text: string): number => Number(BigInt(text) / 1000n) / 1000;
  const trees = new Map(
    spans.map((span): [string, SpanTree] => [
      span.spanId,
      {
        name: span.name,
        isCall: span.kind === 3,
        startMs: nano(span.startTimeUnixNano),
        endMs: nano(span.endTimeUnixNano),
        attributes: read(span.attributes),
        events: span.events.map(({ name, attributes }) => ({ name, attributes: read(attributes) })),
        error: span.status.code === 2 ? span.status.message : undefined,
        children: [],
      },
    ]),
  );
  const roots: SpanTree[] = [];
  for (const { spanId, parentSpanId } of spans) {
    const tree = trees.get(spanId) as SpanTree;
    const siblings = parentSpanId === undefined || parentSpanId === '' ? roots : trees.get(parentSpanId)?.children;
    if (siblings === undefined) throw new Error(`${tree.name} is part of a span that never came`);
    siblings.push(tree);
  }
  const inOrder = (all: SpanTree[]): void => {
    all.sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
    for (const { children } of all) inOrder(children);
  };
  inOrder(roots);
  return roots;
}

/** A tree as names, for comparison: `boot(mount flash, ...)`. */
export function outline({ name, children }: SpanTree): string {
  return children.length === 0 ? name : `${name}(${children.map(outline).join(', ')})`;
}

/** A span of a tree by name, the first of them. */
export function spanOf(tree: SpanTree, name: string): SpanTree | undefined {
  if (tree.name === name) return tree;
  for (const child of tree.children) {
    const found = spanOf(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What takes traces over OTLP/HTTP, as a collector does. */
export async function collectorFor(t: Test): Promise<{ url: string; requests: OtlpRequest[]; text: () => string }> {
  const requests: OtlpRequest[] = [];
  let text = '';
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    t.match(request, { method: 'POST', url: '/v1/traces', headers: { 'content-type': 'application/json' } });
    text += body;
    requests.push(JSON.parse(body) as OtlpRequest);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, text: () => text };
}
