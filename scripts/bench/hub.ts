import { EventEmitter } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Behaviours } from '@zerotouch/cloud-sim/behaviours/behaviours';
import type { CloudEvents } from '@zerotouch/cloud-sim/events';
import type { Hub } from '@zerotouch/cloud-sim/hub/hub';
import { HubPark } from '@zerotouch/cloud-sim/hub/park';
import { runQuery } from '@zerotouch/cloud-sim/hub/query/run';
import { twinSize } from '@zerotouch/cloud-sim/hub/twin-limits';
import { Journal } from '@zerotouch/cloud-sim/journal';
import { limitValues } from '@zerotouch/cloud-sim/limits';
import { memoryStore } from '@zerotouch/cloud-sim/store/memory';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { pino } from 'pino';
import { type BenchResult, cpuMs, resultOf, round } from './measure.js';

const DEVICES = 100_000;
const LINES = 100;
const PAGE = 100;
/** Kilobytes that a device at rest may take beside its twin's own bytes. */
const ALLOWED_KB = 1.5;

/**
 * Memory of a device at rest in one hub of a hundred thousand, beside its twin's own bytes; and CPU time of queries over them by a tag, page by
 * page. Beside it, the least that anybody could keep: the same two records as JSON text in a map.
 */
export async function benchHub(): Promise<BenchResult> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    return process.memoryUsage().heapUsed + process.memoryUsage().external;
  };
  const hub = await makeHub();
  const before = used();
  let own = 0;
  for (let n = 0; n < DEVICES; n++) own += await admit(hub, n);
  const held = used() - before;
  const texts = await asText(hub);
  const beforeTexts = used();
  const copy = new Map(texts.map(([key, text]) => [key, Buffer.from(text).toString('latin1')]));
  const textBytes = used() - beforeTexts;
  // Read again afterwards, so that it is held until here.
  if (copy.size !== DEVICES) throw new Error('the copy lacks devices');

  const pages: number[] = [];
  let continuation: string | undefined;
  let found = 0;
  do {
    pages.push(
      await cpuMs(async () => {
        const page = await runQuery('SELECT * FROM devices WHERE tags.line = 7', { size: PAGE, continuation }, hub.queryGround);
        found += page.items.length;
        continuation = page.continuation;
      }),
    );
  } while (continuation !== undefined);
  if (found !== DEVICES / LINES) throw new Error(`the query found ${found} twins`);
  const grouped = await cpuMs(async () => {
    await runQuery('SELECT tags.line AS line, COUNT() AS n FROM devices GROUP BY tags.line', { size: 1000 }, hub.queryGround);
  });
  const kb = (bytes: number): number => bytes / DEVICES / 1024;
  return resultOf(
    'hub',
    'kilobytes a device at rest, beside the bytes of its twin',
    kb(held - own),
    { peer: { 'JSON text in a map': round(kb(textBytes - own)) }, limit: { 'what a device may take': ALLOWED_KB } },
    {
      devices: DEVICES,
      twinBytes: round(own / DEVICES),
      [`slowest page of ${PAGE} by a tag, CPU ms`]: round(Math.max(...pages)),
      'all pages, CPU ms': round(pages.reduce((sum, ms) => sum + ms, 0)),
      'COUNT by a tag over all, CPU ms': round(grouped),
    },
  );
}

async function makeHub(): Promise<Hub> {
  const store = memoryStore();
  const journal = new Journal({
    attempts: store.attempts,
    events: new EventEmitter<CloudEvents>(),
    clock: systemClock,
    log: pino({ level: 'silent' }),
  });
  const behaviours = new Behaviours({ clock: systemClock, entropy: systemEntropy, active: [] });
  const park = new HubPark({ store, clock: systemClock, entropy: systemEntropy, journal, limits: limitValues(), behaviours });
  const host = 'bench.azure-devices.net';
  await park.open([{ host, region: 'westeurope', subscription: '3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8a01' }]);
  return park.running.get(host) as Hub;
}

/** @returns the bytes of the device's twin, as the hub counts them */
async function admit(hub: Hub, n: number): Promise<number> {
  const deviceId = `thermo-${String(n).padStart(6, '0')}`;
  const key = (): string => systemEntropy.bytes(64).toString('base64');
  const authentication = { type: 'sas', primaryKey: key(), secondaryKey: key() } as const;
  const tags = { line: n % LINES, site: `site-${n % 7}` };
  const desired = { telemetryIntervalSeconds: 10, level: 'info' };
  await hub.admit({ deviceId, authentication, capabilities: { iotEdge: false } }, { tags, properties: { desired } });
  return twinSize(tags) + twinSize(desired);
}

async function asText(hub: Hub): Promise<[string, string][]> {
  const devices = await hub.registry.list();
  return Promise.all(
    devices.map(
      async (device): Promise<[string, string]> => [
        device.deviceId,
        JSON.stringify([device, await hub.twins.get({ deviceId: device.deviceId })]),
      ],
    ),
  );
}
