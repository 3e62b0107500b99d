import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NvsEntry, NvsValue } from '@zerotouch/flash-image/nvs/value';

const FOLDER = join('test', 'flash-image', 'golden');

/** Bytes made with Espressif's own tools, from the source tree (tests run from the build). */
export function golden(name: string): Buffer {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, FOLDER, name))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no ${FOLDER} above the test`);
    folder = parent;
  }
  return readFileSync(join(folder, FOLDER, name));
}

/** The first certificate of a PEM file: all that Espressif's tool keeps of a CA file. */
export function firstCertificate(pem: string): string {
  const end = '-----END CERTIFICATE-----\n';
  return pem.slice(0, pem.indexOf(end) + end.length);
}

/** The entries of one of Espressif's NVS CSV files, as far as the golden ones use the format. */
export function nvsEntries(csv: string): NvsEntry[] {
  const entries: NvsEntry[] = [];
  let namespace = '';
  for (const line of csv.trim().split('\n').slice(1)) {
    const [key = '', type = '', encoding = '', text = ''] = line.split(',');
    if (type === 'namespace') namespace = key;
    else entries.push({ namespace, key, value: parseValue(type, encoding, text) });
  }
  return entries;
}

function parseValue(type: string, encoding: string, text: string): NvsValue {
  if (type === 'file') return { type: 'blob', value: golden(text) };
  switch (encoding) {
    case 'string':
      return { type: 'string', value: text };
    case 'hex2bin':
      return { type: 'blob', value: Buffer.from(text, 'hex') };
    case 'base64':
      return { type: 'blob', value: Buffer.from(text, 'base64') };
    case 'u64':
    case 'i64':
      return { type: encoding, value: BigInt(text) };
    case 'u8':
    case 'i8':
    case 'u16':
    case 'i16':
    case 'u32':
    case 'i32':
      return { type: encoding, value: Number(text) };
    default:
      throw new Error(`the golden files do not use ${encoding}`);
  }
}
