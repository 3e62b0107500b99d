import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { CloudFault } from '../faults.js';

/** A file of the page, ready to be sent. */
export interface PageFile {
  body: Buffer;
  headers: Readonly<Record<string, string>>;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Nothing from elsewhere, nothing inline, no frame around it, no form that posts: what a page that can change devices needs. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers of every answer. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/**
 * Reads the built page into memory: a handful of small files.
 * @returns by path, the index under `/`
 * @throws CloudFault PAGE_MISSING
 */
export async function readPage(folder: string): Promise<ReadonlyMap<string, PageFile>> {
  const files = new Map<string, PageFile>();
  const names = await readdir(folder, { recursive: true }).catch((): string[] => []);
  for (const name of names) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const path = `/${name.replaceAll('\\', '/')}`;
    // Built files carry a hash of their contents in their names; the index does not.
    const cache = path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
    const file = { body: await readFile(join(folder, name)), headers: { 'content-type': type, 'cache-control': cache } };
    files.set(path === '/index.html' ? '/' : path, file);
  }
  if (files.has('/')) return files;
  throw new CloudFault('PAGE_MISSING', 'the page of the web view is not there', {
    where: folder,
    expected: 'the built page',
    remedy: 'npm run build makes it in a checkout; installed packages bring it along',
  });
}
