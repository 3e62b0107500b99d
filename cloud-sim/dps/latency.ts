/** Round trips between regions in milliseconds, from the region a device reached to the region of a hub; either direction will do. */
export type Latencies = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Where some of Azure's regions lie: latitude and longitude in degrees, as its geography page gives the cities. */
const PLACES: Readonly<Record<string, readonly [number, number]>> = {
  westeurope: [52.4, 4.9],
  northeurope: [53.3, -6.3],
  uksouth: [51.5, -0.1],
  francecentral: [48.9, 2.4],
  germanywestcentral: [50.1, 8.7],
  swedencentral: [60.7, 17.1],
  switzerlandnorth: [47.5, 8.6],
  eastus: [37.4, -79.8],
  eastus2: [36.7, -78.4],
  centralus: [41.6, -93.6],
  southcentralus: [29.4, -98.5],
  westus: [37.8, -122.4],
  westus2: [47.2, -119.9],
  canadacentral: [43.7, -79.4],
  brazilsouth: [-23.6, -46.6],
  southafricanorth: [-25.7, 28.2],
  uaenorth: [25.3, 55.3],
  centralindia: [18.6, 73.9],
  southeastasia: [1.3, 103.8],
  eastasia: [22.3, 114.2],
  japaneast: [35.7, 139.8],
  koreacentral: [37.6, 127],
  australiaeast: [-33.9, 151.2],
};

/** The regions whose latencies are known without a table. */
export const knownRegions: readonly string[] = Object.keys(PLACES);

/** A region's name as it is compared: "West Europe" and `westeurope` are one. */
export function canonicalRegion(region: string): string {
  return region.toLowerCase().replace(/[\s_-]/g, '');
}

/** Where a region lies: latitude and longitude in degrees, or `undefined` when nobody knows. */
export function placeOf(region: string): readonly [number, number] | undefined {
  const name = canonicalRegion(region);
  return Object.hasOwn(PLACES, name) ? PLACES[name] : undefined;
}

/** Light in fibre covers 200 km a millisecond; there and back, over cables that are no straight lines. */
const MS_PER_KM = (2 / 200) * 1.4;
const EARTH_KM = 6371;

/**
 * The round trip between two regions: what the table says, else what the distance over the globe makes likely. Pure.
 * @returns milliseconds, `Infinity` when nothing is known
 */
export function latencyBetween(a: string, b: string, table: Latencies = {}): number {
  const [from, to] = [canonicalRegion(a), canonicalRegion(b)];
  const given = lookUp(table, from, to) ?? lookUp(table, to, from);
  if (given !== undefined) return given;
  if (from === to) return 1;
  const [here, there] = [PLACES[from], PLACES[to]];
  if (here === undefined || there === undefined) return Number.POSITIVE_INFINITY;
  return Math.round(distanceKm(here, there) * MS_PER_KM) + 1;
}

function lookUp(table: Latencies, from: string, to: string): number | undefined {
  for (const [region, row] of Object.entries(table)) {
    if (canonicalRegion(region) !== from) continue;
    for (const [other, ms] of Object.entries(row)) if (canonicalRegion(other) === to) return ms;
  }
  return undefined;
}

// Haversine formula.
function distanceKm([latitudeA, longitudeA]: readonly [number, number], [latitudeB, longitudeB]: readonly [number, number]): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const half =
    Math.sin(radians(latitudeB - latitudeA) / 2) ** 2 +
    Math.cos(radians(latitudeA)) * Math.cos(radians(latitudeB)) * Math.sin(radians(longitudeB - longitudeA) / 2) ** 2;
  return 2 * EARTH_KM * Math.asin(Math.sqrt(half));
}
