import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** What a process says, line by line. Anything in it can be awaited, also what has come already. */
export class Lines {
  readonly all: string[] = [];
  readonly #news = new EventEmitter().setMaxListeners(0);
  #over = false;

  /** @param stream nothing of it may have been read yet */
  constructor(stream: Readable | null) {
    if (stream === null) throw new Error('the process has no such stream');
    const lines = createInterface(stream);
    lines.on('line', (line) => {
      this.all.push(line);
      this.#news.emit('news');
    });
    lines.once('close', () => {
      this.#over = true;
      this.#news.emit('news');
    });
  }

  /**
   * Resolves with the index of the first line from `from` that matches.
   * @throws Error with all that was said, when it ends without one
   */
  async until(pattern: RegExp, from = 0): Promise<number> {
    for (;;) {
      const index = this.all.findIndex((line, at) => at >= from && pattern.test(line));
      if (index >= 0) return index;
      if (this.#over) throw new Error(`it ended without ${pattern}: ${this.all.slice(from).join('\n')}`);
      await once(this.#news, 'news');
    }
  }
}
