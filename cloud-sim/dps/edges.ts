import { canonicalRegion, knownRegions } from './latency.js';

/** Where a device reaches the service in a region. */
export interface Edge {
  region: string;
  /** A loopback address that is the region's alone. */
  address: string;
}

/** Edges by the address that a device reaches there. The first is 127.0.1.1. */
export function edgesOf(regions: readonly string[] = knownRegions): Map<string, string> {
  return new Map(regions.map((region, index) => [`127.0.1.${index + 1}`, canonicalRegion(region)]));
}

/** Edges as they are shown; those that could be listened on. */
export function edgeList(edges: ReadonlyMap<string, string>, open: ReadonlySet<string> = new Set()): Edge[] {
  return [...edges].filter(([address]) => open.has(address)).map(([address, region]) => ({ region, address }));
}
