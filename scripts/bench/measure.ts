import { availableParallelism, loadavg } from 'node:os';

/** What a bench prints. CPU-milliseconds (or kilobytes) an item: less is better; the ratios are peer / ours and limit / ours: more is better. */
export interface BenchResult {
  name: string;
  unit: string;
  ours: number;
  /** The same work by others, or the part of it that nobody can leave out, in the same run. */
  peer: Record<string, number>;
  /** What the machine itself allows. */
  limit: Record<string, number>;
  /** The best peer counts. */
  ratioToPeer: number | undefined;
  /** Absent where nobody knows a limit here. */
  ratioToLimit: number | undefined;
  [more: string]: unknown;
}

/** One bench: measures everything in one run. */
export type Bench = () => Promise<BenchResult>;

/** A result with its ratios. */
export function resultOf(
  name: string,
  unit: string,
  ours: number,
  { peer, limit }: Pick<BenchResult, 'peer' | 'limit'>,
  more: Record<string, unknown> = {},
): BenchResult {
  return {
    name,
    unit,
    ours: round(ours),
    peer,
    limit,
    ratioToPeer: ratio(peer, ours),
    ratioToLimit: ratio(limit, ours),
    ...more,
    ...surroundings(),
  };
}

/** The best of others / ours; `undefined` where there are none. */
export function ratio(others: Record<string, number>, ours: number): number | undefined {
  const all = Object.values(others);
  return all.length === 0 ? undefined : round(Math.min(...all) / ours);
}

/** What the figures were taken on. */
export function surroundings(): { runtime: string; cores: number; load: number } {
  return { runtime: `node ${process.versions.node}`, cores: availableParallelism(), load: round(loadavg()[0] ?? 0) };
}

/** CPU-milliseconds, of all threads and the kernel, that some work takes. */
export async function cpuMs(work: () => void | Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Four significant digits. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** The upper one where two are in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
