/** One line of JSON on stdout. */
export type JsonLine = Record<string, unknown>;

/** A result: an object, or what Azure's own tools print as a list or a text. */
export type JsonResult = JsonLine | readonly unknown[] | string;

/** Where a verb says things: to people in words, to programs as JSON lines. The verb says both and need not know who listens. */
export interface Output {
  /** Something that happened. `words` is left out where it would tell people nothing. */
  event(line: JsonLine, words?: string): void;
  /** The result; said once, last. */
  result(line: JsonResult, words?: string): void;
}

/**
 * Where lines go.
 * @param write takes text that already ends in a newline
 */
export function createOutput(json: boolean, write: (text: string) => void): Output {
  const say = (line: JsonResult, words?: string): void => {
    if (json) write(`${JSON.stringify(line)}\n`);
    else if (words !== undefined) write(`${words}\n`);
  };
  return { event: say, result: say };
}
