import { setFlagsFromString } from 'node:v8';

/**
 * V8 collects again when the heap has grown by so much. Left to itself it chooses a fifth where memory is asked for slowly, and a process that takes on
 * device after device marks all the former ones again each time.
 */
const COLLECT_WHEN_DOUBLED = '--heap-growing-percent=100';

/**
 * Arguments of Node for a process that holds thousands of connections beside others of its kind. Threads that collect garbage would only take
 * another one's core.
 */
export const NODE_ARGUMENTS_FOR_THOUSANDS = ['--single-threaded-gc', COLLECT_WHEN_DOUBLED] as const;

/** As far as that can be had of a process that has begun already. */
export function prepareForThousands(): void {
  setFlagsFromString(COLLECT_WHEN_DOUBLED);
}
