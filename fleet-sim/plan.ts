import type { Endpoint } from '@zerotouch/firmware-sim/boot/ports';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { FleetFault } from './faults.js';
import { powerSwitches, type Region, type Switches, spread } from './power-on.js';
import type { ShardDevice, ShardOrder } from './shard.js';
import type { FleetSpec } from './spec.js';
import { whoSuffers } from './who-suffers.js';

/** The part of a fleet that is one shard's: every n-th device of n shards, so that all shards have the same mix. */
export function shareOf<T>(all: readonly T[], shard: number, shards: number): T[] {
  return all.filter((_, index) => index % shards === shard);
}

/**
 * When each device of a fleet is switched on and off, by which client it speaks, where it stands, and which bad day it lives through.
 * @throws FleetFault SCENARIO_UNFIT
 */
export function planDevices(spec: FleetSpec, given: readonly string[], entropy: Entropy): ShardDevice[] {
  const regions: (Region | undefined)[] = spec.regions === undefined ? given.map(() => undefined) : spread(spec.regions, given.length);
  const switches = powerSwitches(spec.powerOn, regions, () => entropy.unit());
  const clients = spread(spec.clients, given.length);
  const images = spec.burn === undefined ? given : inDueOrder(given, switches);
  const { powerCuts } = spec.faults;
  const candidates = images.map((image, index) => ({ image, region: regions[index]?.name }));
  const suffers = whoSuffers(spec.scenarios, candidates, spec.seed);
  return images.map((image, index) => {
    const region = regions[index]?.name;
    const scenario = suffers[index];
    const own = switches[index] ?? [0];
    const isCut = powerCuts !== undefined && own.length === 1 && entropy.unit() < powerCuts.share;
    const cutAt = (own[0] ?? 0) + entropy.unit() * (powerCuts?.withinSeconds ?? 0) * 1000;
    return {
      image,
      client: clients[index] ?? { client: 'lean', transport: 'mqtt', share: 1 },
      switches: isCut ? [...own, cutAt, cutAt + 1_000] : own,
      ...(region === undefined ? {} : { region }),
      ...(scenario === undefined ? {} : { scenario }),
    };
  });
}

/** Images that are burnt one after the other, the first for the device that is switched on first. */
function inDueOrder(images: readonly string[], switches: readonly Switches[]): string[] {
  const due = switches.map((own, index) => ({ at: own[0] ?? 0, index })).sort((a, b) => a.at - b.at);
  const ordered = [...images];
  for (const [place, { index }] of due.entries()) ordered[index] = images[place] ?? '';
  return ordered;
}

/** What one shard of a fleet does. @param shards how many there are: they boot together as many devices at a time as the spec says, and bring back as many a second */
export function orderOf(
  spec: FleetSpec,
  devices: readonly ShardDevice[],
  endpoint: Endpoint,
  sourceAddresses: readonly string[],
  shards: number,
  startedAt: number,
  backPerSecond?: number,
): ShardOrder {
  const { powerOn, tls, afterwards, writeBack } = spec;
  return {
    devices,
    endpoint,
    tls,
    ...(powerOn.profile === 'paced' ? { booting: Math.max(1, Math.round(powerOn.booting / shards)) } : {}),
    ...(afterwards.telemetryEverySeconds === undefined ? {} : { telemetrySeconds: afterwards.telemetryEverySeconds }),
    ...(backPerSecond === undefined ? {} : { backPerSecond: backPerSecond / shards }),
    powerOffAfterRunning: afterwards.powerOff,
    awaitsImages: spec.burn !== undefined,
    writeBack,
    scenarios: spec.scenarios.map(({ scenario }) => scenario),
    sourceAddresses,
    startedAt,
  };
}

/**
 * Refuses two images of one device.
 * @param ids the registration ids in the images of each shard
 * @throws FleetFault IMAGE_TWICE
 */
export function refuseTwins(images: readonly string[], shards: number, ids: readonly (readonly string[])[]): void {
  const seen = new Map<string, string>();
  for (const [index, image] of images.entries()) {
    const id = ids[index % shards]?.[Math.floor(index / shards)] ?? '';
    const twin = seen.get(id);
    if (twin !== undefined) {
      throw new FleetFault('IMAGE_TWICE', `two images hold the registration id "${id}"`, {
        where: image,
        seen: `the same as in ${twin}`,
        expected: 'an image for each device',
        remedy: 'take one of them away: two devices with one identity throw each other out',
      });
    }
    seen.set(id, image);
  }
}
