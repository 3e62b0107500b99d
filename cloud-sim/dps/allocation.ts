import { createHash } from 'node:crypto';
import { type Latencies, latencyBetween } from './latency.js';

/** A hub that may get devices. */
export interface Candidate {
  host: string;
  /** 1 to 1000; a hub of weight 2 gets twice the devices of one of weight 1. */
  weight: number;
}

/** A candidate with its region. */
export interface PlacedCandidate extends Candidate {
  region: string;
}

/**
 * The hub of a device, by weighted rendezvous hashing: the same id gets the same hub as long as that is a candidate, and a new or
 * removed hub moves only the devices it gains or loses. Azure does not publish its hash. Pure.
 * @returns the host name, or `undefined` when there is no candidate of positive weight
 */
export function allocateHashed(registrationId: string, candidates: readonly Candidate[]): string | undefined {
  let best: { host: string; score: number } | undefined;
  for (const { host, weight } of candidates) {
    if (weight <= 0) continue;
    const score = weight / -Math.log(unit(`${host}\n${registrationId}`));
    if (best === undefined || score > best.score || (score === best.score && host < best.host)) best = { host, score };
  }
  return best?.host;
}

/**
 * The hub with the lowest latency from the region that the device reached; a tie is decided by weighted hash. Pure.
 * Source: iot-dps/how-to-use-allocation-policies.
 * @param region where the device reached the service; from an unknown one every hub is equally far
 */
export function allocateNearest(
  registrationId: string,
  candidates: readonly PlacedCandidate[],
  region: string | undefined,
  latencies: Latencies = {},
): string | undefined {
  const distances = candidates
    .filter(({ weight }) => weight > 0)
    .map((candidate) => ({
      candidate,
      ms: region === undefined ? Number.POSITIVE_INFINITY : latencyBetween(region, candidate.region, latencies),
    }));
  const least = Math.min(...distances.map(({ ms }) => ms));
  return allocateHashed(
    registrationId,
    distances.filter(({ ms }) => ms === least).map(({ candidate }) => candidate),
  );
}

// In (0, 1), never 0 or 1: the logarithm must be finite and not zero.
function unit(text: string): number {
  const hash = createHash('sha256').update(text).digest();
  return (hash.readUIntBE(0, 6) + 0.5) / 2 ** 48;
}
