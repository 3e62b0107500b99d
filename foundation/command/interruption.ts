/** The process was asked to end. */
export class Interrupted extends Error {
  constructor(readonly signalName: 'SIGINT' | 'SIGTERM') {
    super(`ended by ${signalName}`);
    this.name = 'Interrupted';
  }
}

/**
 * Turns Ctrl-C and a polite kill into an abort, so that a verb can finish what it holds; a second Ctrl-C does not wait.
 * @returns a signal whose reason is an {@link Interrupted}
 */
export function listenForInterruption(): AbortSignal {
  const controller = new AbortController();
  const end = (name: 'SIGINT' | 'SIGTERM') => (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Interrupted(name));
  };
  process.on('SIGINT', end('SIGINT'));
  process.on('SIGTERM', end('SIGTERM'));
  return controller.signal;
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
