/** How long a queue that has answered before may be silent, milliseconds. */
const SILENCE_MS = 30_000;

/** What was asked of the queue; calls `late`, which throws, when it has not answered: the drivers wait for their servers without end. */
export async function inTime<T>(work: Promise<T>, late: () => never): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  work.catch(() => undefined);
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      try {
        late();
      } catch (error) {
        reject(error);
      }
    }, SILENCE_MS);
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    clearTimeout(timer);
  }
}
