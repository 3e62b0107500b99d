import { SingleBar } from 'cli-progress';

/** How far a piece of work has come; shown on stderr, so that it never mixes with a result. */
export interface Progress {
  /** @param done how many of `total` are finished */
  update(done: number, total: number): void;
  /** Ends the display; safe to call twice and without any update. */
  stop(): void;
}

/** Makes the display of one piece of work. `label` says what is being done: "burning". */
export type ProgressMaker = (label: string) => Progress;

/** A stream as far as progress needs it. */
export type ProgressStream = NodeJS.WritableStream & { isTTY?: boolean };

/** A bar on a terminal, a plain line each tenth elsewhere, nothing when `quiet`. */
export function progressOn(stream: ProgressStream, quiet: boolean): ProgressMaker {
  if (quiet) return () => ({ update() {}, stop() {} });
  return stream.isTTY === true ? (label) => bar(label, stream) : (label) => lines(label, stream);
}

function bar(label: string, stream: ProgressStream): Progress {
  const display = new SingleBar({ format: `${label} [{bar}] {value}/{total}, {eta_formatted} left`, stream, clearOnComplete: true });
  let started = false;
  return {
    update(done, total) {
      if (!started) display.start(total, done);
      else display.update(done);
      started = true;
    },
    stop() {
      if (started) display.stop();
      started = false;
    },
  };
}

function lines(label: string, stream: ProgressStream): Progress {
  let shown = -1;
  return {
    update(done, total) {
      const tenth = total === 0 ? 10 : Math.floor((done / total) * 10);
      if (tenth <= shown) return;
      shown = tenth;
      stream.write(`${label}: ${done} of ${total}\n`);
    },
    stop() {},
  };
}
