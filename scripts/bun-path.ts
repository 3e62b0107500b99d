import { Fault } from '@zerotouch/foundation/fault';

/** Where Bun is, for `--runtime bun`. @throws Fault RUNTIME_MISSING */
export async function bunPath(): Promise<string> {
  const named = process.env.ZEROTOUCH_BUN;
  if (named !== undefined) return named;
  const { createRequire } = await import('node:module');
  try {
    return createRequire(import.meta.url).resolve('bun/bin/bun.exe');
  } catch (cause) {
    throw new Fault('RUNTIME_MISSING', 'Bun is not installed', {
      where: '--runtime bun',
      expected: 'the optional npm package bun, or its path in ZEROTOUCH_BUN',
      remedy: 'npm install bun',
      cause,
    });
  }
}
