import { createHash, randomBytes } from 'node:crypto';

/** Randomness as a thing that is handed in. */
export interface Entropy {
  /** `count` random bytes; cryptographically strong in every implementation that makes keys. */
  bytes(count: number): Buffer;
  /** A number in [0, 1), for jitter; never for keys. */
  unit(): number;
}

/** The operating system's generator. */
export const systemEntropy: Entropy = {
  bytes: (count) => randomBytes(count),
  unit: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
};

/** The same sequence for the same seed: for tests and reproducible simulation, never for real keys. */
export function seededEntropy(seed: string): Entropy {
  let counter = 0;
  let pool = Buffer.alloc(0);
  const bytes = (count: number): Buffer => {
    while (pool.length < count) pool = Buffer.concat([pool, createHash('sha256').update(`${seed}:${counter++}`).digest()]);
    const taken = pool.subarray(0, count);
    pool = pool.subarray(count);
    return Buffer.from(taken);
  };
  return { bytes, unit: () => bytes(6).readUIntBE(0, 6) / 2 ** 48 };
}
