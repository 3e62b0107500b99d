/** A text on a label, and how large it is drawn at the most; millimetres. */
export interface LabelText {
  text: string;
  size: number;
  bold?: boolean;
  /** Of one line: read out or typed from the label, so rather smaller than broken. */
  whole?: boolean;
}

/** A line as it is drawn. `top`: from the top of the room, millimetres. */
export interface PlacedLine extends LabelText {
  top: number;
}

/** Of the height: a character of any monospaced font, and the step from line to line. */
const CHARACTER = 0.61;
const STEP = 1.2;
const SCALES = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3];

/**
 * Texts below each other in a room, in the middle of its height: broken into lines where they are too long, and all of them smaller until they
 * fit. No renderer needs to squeeze anything: not every one can.
 */
export function fitted(texts: readonly LabelText[], { width, height }: { width: number; height: number }): PlacedLine[] {
  for (const scale of SCALES) {
    const lines = texts.flatMap(({ text, size, whole, ...style }) => {
      if (whole) return [{ ...style, text, size: Math.min(size * scale, width / (text.length * CHARACTER)) }];
      const scaled = size * scale;
      return broken(text, Math.floor(width / (scaled * CHARACTER))).map((line) => ({ ...style, text: line, size: scaled }));
    });
    const all = lines.reduce((sum, { size }) => sum + size * STEP, 0);
    if (all > height && scale !== SCALES.at(-1)) continue;
    let top = Math.max(0, (height - all) / 2);
    return lines.map((line) => {
      const placed = { ...line, top };
      top += line.size * STEP;
      return placed;
    });
  }
  return [];
}

/** A text in lines of so many characters, broken behind a mark where there is one in a line's second half. */
function broken(text: string, characters: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > characters) {
    const line = rest.slice(0, characters);
    const mark = Math.max(...[...'-._:'].map((one) => line.lastIndexOf(one)));
    const end = mark >= characters / 2 ? mark + 1 : characters;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return [...lines, rest];
}
