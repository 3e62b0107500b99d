import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Where the built page of the web view is: beside the bundles of the installed package, or in its room of a checkout. */
export function webPageFolder(): string {
  const packed = fileURLToPath(new URL('./web-view/', import.meta.url));
  return existsSync(packed) ? packed : fileURLToPath(new URL('../../web-view/build/page/', import.meta.url));
}
