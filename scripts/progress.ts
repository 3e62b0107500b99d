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

/**
 * A bar on a terminal, a plain line each tenth elsewhere, nothing when `quiet`; with the rate and the time left as soon as they are known.
 * @param now milliseconds of a clock that never goes back
 */
export function progressOn(stream: ProgressStream, quiet: boolean, now: () => number = () => performance.now()): ProgressMaker {
  if (quiet) return () => ({ update() {}, stop() {} });
  return stream.isTTY === true ? (label) => bar(label, stream, now) : (label) => lines(label, stream, now);
}

/** How fast it goes, from the first update on: `, 1234/s, 5 s left`; empty while nothing can be said. */
function paceFrom(now: () => number): (done: number, total: number) => string {
  let first: { at: number; done: number } | undefined;
  return (done, total) => {
    first ??= { at: now(), done };
    const seconds = (now() - first.at) / 1000;
    const rate = (done - first.done) / seconds;
    if (!(rate > 0 && Number.isFinite(rate))) return '';
    const shown = rate >= 10 ? Math.round(rate) : rate.toFixed(1);
    return done >= total ? `, ${shown}/s` : `, ${shown}/s, ${timeWords((total - done) / rate)} left`;
  };
}

function timeWords(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.ceil((seconds % 3600) / 60)} min`;
}

function bar(label: string, stream: ProgressStream, now: () => number): Progress {
  const display = new SingleBar({ format: `${label} [{bar}] {value}/{total}{pace}`, stream, clearOnComplete: true });
  const pace = paceFrom(now);
  let started = false;
  return {
    update(done, total) {
      const payload = { pace: pace(done, total) };
      if (!started) display.start(total, done, payload);
      else display.update(done, payload);
      started = true;
    },
    stop() {
      if (started) display.stop();
      started = false;
    },
  };
}

function lines(label: string, stream: ProgressStream, now: () => number): Progress {
  const pace = paceFrom(now);
  let shown = -1;
  return {
    update(done, total) {
      const speed = pace(done, total);
      const tenth = total === 0 ? 10 : Math.floor((done / total) * 10);
      if (tenth <= shown) return;
      shown = tenth;
      stream.write(`${label}: ${done} of ${total}${speed}\n`);
    },
    stop() {},
  };
}
