import { parseArgs } from 'node:util';
import type { Bench, BenchResult } from './measure.js';

/** `npm run bench -- NAME [--json]`: a name a file; each is loaded only when it is asked for. */
const benches: Record<string, () => Promise<Bench>> = {
  agent: async () => (await import('./agent.js')).benchAgent,
  boot: async () => (await import('./boot.js')).benchBoot,
  burn: async () => (await import('./burn.js')).benchBurn,
  connect: async () => (await import('./connect.js')).benchConnect,
  memory: async () => (await import('./boot.js')).benchMemory,
  start: async () => (await import('./start.js')).benchStart,
  hub: async () => (await import('./hub.js')).benchHub,
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean', default: false } } });
const [name = ''] = positionals;
const load = Object.hasOwn(benches, name) ? benches[name] : undefined;
if (load === undefined || positionals.length !== 1) {
  process.stderr.write(`bench: there is no bench "${positionals.join(' ')}"; expected one of ${Object.keys(benches).join(', ')}\n`);
  process.exitCode = 2;
} else {
  const bench = await load();
  const result = await bench();
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : words(result));
}

function words({ name: bench, unit, ours, peer, limit, ratioToPeer, ratioToLimit, ...more }: BenchResult): string {
  const row = (what: string, value: unknown): string =>
    `  ${what.padEnd(40)} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}\n`;
  return [
    `${bench}, ${unit}\n`,
    row('zerotouch', ours),
    ...Object.entries(peer).map(([what, value]) => row(`peer: ${what}`, value)),
    ...Object.entries(limit).map(([what, value]) => row(`limit: ${what}`, value)),
    row('peer / ours', ratioToPeer),
    row('limit / ours', ratioToLimit),
    ...Object.entries(more).map(([what, value]) => row(what, value)),
  ].join('');
}
