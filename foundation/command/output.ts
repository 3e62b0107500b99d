/** One line of JSON on stdout. */
export type JsonLine = Record<string, unknown>;

/** Where a verb says things: to people in words, to programs as JSON lines. The verb says both and need not know who listens. */
export interface Output {
  /** Something that happened. `words` is left out where it would tell people nothing. */
  event(line: JsonLine, words?: string): void;
  /** The result; said once, last. */
  result(line: JsonLine, words?: string): void;
}

/**
 * Where lines go.
 * @param write takes text that already ends in a newline
 */
export function createOutput(json: boolean, write: (text: string) => void): Output {
  const say = (line: JsonLine, words?: string): void => {
    if (json) write(`${JSON.stringify(line)}\n`);
    else if (words !== undefined) write(`${words}\n`);
  };
  return { event: say, result: say };
}
