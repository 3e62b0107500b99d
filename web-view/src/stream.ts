import { EventSourceParserStream } from 'eventsource-parser/stream';
import { CallError, type Client } from './client.js';

/** Whether what is shown is live. */
export type StreamState = 'connecting' | 'live' | 'lost' | 'refused';

const RETRY_MS = 1500;

/** Who is told of a stream. */
export interface StreamListener<Tick> {
  /** @param isFirst of this connection: what came before may have been missed */
  tick(tick: Tick, isFirst: boolean): void;
  state(state: StreamState): void;
}

/** Follows a server's ticks until the signal, over every loss of the connection; ends when the server wants a token that this page has not. */
export async function followTicks<Tick>(client: Client, { tick, state }: StreamListener<Tick>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const stream = await client.open('events', signal);
      let isFirst = true;
      const messages = stream
        .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
        .pipeThrough(new EventSourceParserStream());
      for await (const { data } of messages) {
        tick(JSON.parse(data) as Tick, isFirst);
        isFirst = false;
      }
    } catch (error) {
      if (error instanceof CallError && error.code === 'TOKEN_MISSING') return state('refused');
    }
    if (!signal.aborted) state('lost');
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
