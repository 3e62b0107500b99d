import { fitted, type LabelText, type PlacedLine } from './fitted-text.js';

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

/** White space around the sheet, and inside a label; millimetres. A QR code wants four of its modules around it to be found. */
const MARGIN = 10;
const PADDING = 2.5;

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
    const texts: LabelText[] = [
      { text: serial, size: 4, bold: true },
      { text: registrationId, size: 3 },
      ...(mac === undefined ? [] : [{ text: `MAC ${mac}`, size: 3, whole: true }]),
    ];
    const lines = fitted(texts, { width: labelWidth - left - PADDING, height: size });
    return [`<g transform="translate(${x} ${y})">${placed}`, ...lines.map((line) => textLine(line, left, PADDING)), '</g>'].join('');
  };
  let labels: string[] = [];
  const sheet = (): string =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}mm" height="${height}mm" viewBox="0 0 ${width} ${height}" font-family="monospace">\n<rect width="100%" height="100%" fill="#fff"/>\n${labels.join('\n')}\n</svg>\n`;
  for await (const device of devices) {
    labels.push(label(device, labels.length));
    if (labels.length < columns * rows) continue;
    yield sheet();
    labels = [];
  }
  if (labels.length > 0) yield sheet();
}

function textLine({ text, size, top, bold }: PlacedLine, x: number, y: number): string {
  const weight = bold === true ? ' font-weight="bold"' : '';
  return `<text x="${x}" y="${rounded(y + top + size)}" font-size="${rounded(size)}"${weight}>${escapeXml(text)}</text>`;
}

function rounded(millimetres: number): number {
  return Math.round(millimetres * 100) / 100;
}

/** Text as XML and HTML carry it. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
