import { readFileSync } from 'node:fs';

/** The version of zerotouch, wherever it was installed or unpacked: bundles lie as deep as what they are built from. */
export function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return version;
}
