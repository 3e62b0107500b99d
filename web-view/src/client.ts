import type { Problem } from '@zerotouch/cloud-sim/web/shapes';

/** The cloud said no, or does not answer. */
export class CallError extends Error {
  readonly code: string;

  constructor({ code, message }: Problem) {
    super(message);
    this.name = 'CallError';
    this.code = code;
  }
}

/** Calls the API of the web view. */
export class Client {
  readonly #token: string;
  readonly #who: string;

  /** @param who answers, in words: at the beginning of a sentence */
  constructor(token: string, who = 'The local cloud') {
    this.#token = token;
    this.#who = who;
  }

  /** @throws CallError */
  get<T>(path: string, query: Record<string, string | number | undefined> = {}, signal?: AbortSignal): Promise<T> {
    const given = Object.entries(query).filter((entry): entry is [string, string | number] => entry[1] !== undefined && entry[1] !== '');
    const search = new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)])).toString();
    return this.#json(search === '' ? path : `${path}?${search}`, signal === undefined ? {} : { signal });
  }

  /** @throws CallError */
  send<T>(method: 'PATCH' | 'POST', path: string, body?: unknown): Promise<T> {
    return this.#json(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
  }

  /** An answer that goes on. @throws CallError */
  async open(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.#fetch(path, { signal });
    if (body === null) throw new CallError({ code: 'NO_ANSWER', message: 'the answer is empty' });
    return body;
  }

  async #json<T>(path: string, init: RequestInit): Promise<T> {
    return (await this.#fetch(path, init)).json() as Promise<T>;
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = { ...init.headers, authorization: `Bearer ${this.#token}` };
    const response = await fetch(`/api/${path}`, { ...init, headers, cache: 'no-store' }).catch((error: unknown) => {
      if (init.signal?.aborted) throw error;
      throw new CallError({ code: 'NO_ANSWER', message: `${this.#who} does not answer. Has it ended?` });
    });
    if (response.ok) return response;
    const problem = (await response.json().catch(() => undefined)) as Problem | undefined;
    throw new CallError(problem ?? { code: String(response.status), message: `${this.#who} answered ${response.status}.` });
  }
}
