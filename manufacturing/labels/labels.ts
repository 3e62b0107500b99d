/** One device as its label tells it. */
export interface LabelledDevice {
  serial: string;
  registrationId: string;
  /** Printed below, where there is one. */
  mac?: string;
}

/** What a sheet of labels is like; millimetres. */
export interface SheetOptions {
  symbol: 'qr' | 'data-matrix';
  /** 210 by 297 (A4) unless given. */
  width?: number;
  height?: number;
  /** Of one label: 60 by 25 unless given. */
  labelWidth?: number;
  labelHeight?: number;
}

/** White space around the sheet, and inside a label; millimetres. */
const MARGIN = 10;
const PADDING = 2;

/**
 * Sheets of labels as SVG in millimetres, each with as many as fit: a QR code or Data Matrix and, for people, serial and registration id. The code
 * holds `SERIAL REGISTRATION_ID`, so that a scanner needs no table; neither can hold a space.
 */
export async function* labelSheets(
  devices: Iterable<LabelledDevice> | AsyncIterable<LabelledDevice>,
  options: SheetOptions,
): AsyncGenerator<string> {
  const { symbol, width = 210, height = 297, labelWidth = 60, labelHeight = 25 } = options;
  const columns = Math.max(1, Math.floor((width - 2 * MARGIN) / labelWidth));
  const rows = Math.max(1, Math.floor((height - 2 * MARGIN) / labelHeight));
  // Loaded where labels are made: a megabyte that no burn needs.
  const { toSVG } = (await import('bwip-js/node')).default;
  const size = labelHeight - 2 * PADDING;
  const label = ({ serial, registrationId, mac }: LabelledDevice, place: number): string => {
    const x = MARGIN + (place % columns) * labelWidth;
    const y = MARGIN + Math.floor(place / columns) * labelHeight;
    const code = toSVG({ bcid: symbol === 'qr' ? 'qrcode' : 'datamatrix', text: `${serial} ${registrationId}`, scale: 1 });
    const placed = code.replace('<svg ', `<svg x="${PADDING}" y="${PADDING}" width="${size}" height="${size}" `);
    const left = size + 2 * PADDING;
    const room = labelWidth - left - PADDING;
    return [
      `<g transform="translate(${x} ${y})">${placed}`,
      textLine(serial, left, labelHeight / 2 - 1, 4, room, true),
      textLine(registrationId, left, labelHeight / 2 + 4, 3, room, false),
      ...(mac === undefined ? [] : [textLine(`MAC ${mac}`, left, labelHeight / 2 + 8, 3, room, false)]),
      '</g>',
    ].join('');
  };
  let labels: string[] = [];
  const sheet = (): string =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}mm" height="${height}mm" viewBox="0 0 ${width} ${height}" font-family="sans-serif">\n${labels.join('\n')}\n</svg>\n`;
  for await (const device of devices) {
    labels.push(label(device, labels.length));
    if (labels.length < columns * rows) continue;
    yield sheet();
    labels = [];
  }
  if (labels.length > 0) yield sheet();
}

/** A line of text that never runs out of its label: it is drawn closer where it is too long. Widths are estimated at 0.6 of the height. */
function textLine(text: string, x: number, y: number, size: number, room: number, bold: boolean): string {
  const squeezed = text.length * size * 0.6 > room ? ` textLength="${room}" lengthAdjust="spacingAndGlyphs"` : '';
  return `<text x="${x}" y="${y}" font-size="${size}"${bold ? ' font-weight="bold"' : ''}${squeezed}>${escapeXml(text)}</text>`;
}

/** Text as XML and HTML carry it. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
