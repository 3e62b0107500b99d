import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import type { Tick } from '@zerotouch/cloud-sim/web/shapes';
import { openWebView, type WebView } from '@zerotouch/cloud-sim/web/web';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { Test } from 'tap';

/** What the API answered. */
export interface Answer<T = unknown> {
  status: number;
  headers: Headers;
  body: T;
}

/** A web view whose page is a stand-in, and calls to it as the page makes them. */
export class Viewer {
  readonly view: WebView;
  readonly cloud: Cloud;
  readonly page: string;
  readonly origin: string;
  readonly #headers: Record<string, string>;

  constructor({ view, cloud, page }: { view: WebView; cloud: Cloud; page: string }) {
    this.view = view;
    this.cloud = cloud;
    this.page = page;
    this.origin = `http://127.0.0.1:${view.port}`;
    this.#headers = { authorization: `Bearer ${new URL(view.url).hash.replace('#token=', '')}` };
  }

  async get<T>(path: string, headers: Record<string, string> = {}): Promise<Answer<T>> {
    return answerOf(await fetch(this.origin + path, { headers: { ...this.#headers, ...headers } }));
  }

  async send<T>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = { ...this.#headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    return answerOf(await fetch(this.origin + path, { method, headers, ...json }));
  }

  /** The ticks of the stream until `found`; ends the stream then. */
  async ticks(found: (tick: Tick) => boolean): Promise<Tick[]> {
    const ended = new AbortController();
    const { body } = await fetch(`${this.origin}/api/events`, { headers: this.#headers, signal: ended.signal });
    const events = body?.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    const seen: Tick[] = [];
    if (events === undefined) return seen;
    for await (const { data } of events) {
      seen.push(JSON.parse(data) as Tick);
      if (found(seen.at(-1) as Tick)) break;
    }
    ended.abort();
    return seen;
  }
}

async function answerOf<T>(response: Response): Promise<Answer<T>> {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
}

export async function viewerFor(t: Test, cloud: Cloud): Promise<Viewer> {
  const page = t.testdir({ assets: {} });
  writeFileSync(join(page, 'index.html'), '<!doctype html><title>stand-in</title>');
  writeFileSync(join(page, 'assets', 'main-1a2b.js'), 'export {};');
  const view = await openWebView({ cloud, page });
  t.teardown(() => view.close());
  return new Viewer({ view, cloud, page });
}
