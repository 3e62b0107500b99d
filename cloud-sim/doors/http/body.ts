import type { IncomingMessage } from 'node:http';

/**
 * The body of a request, as much as is taken of it.
 * @param limit bytes; of a longer body a little more than this is read, so that it can be told from one that just fits
 * @returns `undefined` when the client went away before its body was there
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const done = (whole: boolean) => resolve(whole ? Buffer.concat(chunks, length) : undefined);
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length <= limit) return;
      request.pause();
      done(true);
    });
    request.on('end', () => done(true));
    request.on('close', () => done(false));
    request.on('error', () => done(false));
  });
}
