import { EventEmitter } from 'node:events';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { carryOut } from '@zerotouch/cloud-sim/dps/carry-out';
import type { Source } from '@zerotouch/cloud-sim/dps/claim';
import { HubPark } from '@zerotouch/cloud-sim/hub/park';
import { Journal } from '@zerotouch/cloud-sim/journal';
import { limitValues } from '@zerotouch/cloud-sim/limits';
import { memoryStore } from '@zerotouch/cloud-sim/store/memory';
import { sqliteStore } from '@zerotouch/cloud-sim/store/sqlite/sqlite';
import { deviceKey, type Store, type Table, type Tables } from '@zerotouch/cloud-sim/store/store';
import { systemClock } from '@zerotouch/foundation/clock';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import { pino } from 'pino';
import t from 'tap';

const [OLD, NEW] = ['hub-old.azure-devices.net', 'hub-new.azure-devices.net'] as const;
const source: Source = {
  kind: 'individual',
  enrolment: { registrationId: 'dev-1', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: '', secondaryKey: '' } } },
};
const authentication = { type: 'sas', primaryKey: 'a', secondaryKey: 'b' } as const;
const reason = { rule: 'assigned', text: '', remedy: '' } as const;

/** A store that calls `step` before each write, of whatever kind. */
function watched(store: Store, step: () => void): Store {
  const table = <T>(inner: Table<T>): Table<T> => ({
    get: (key) => inner.get(key),
    list: (prefix) => inner.list(prefix),
    page: (request) => inner.page(request),
    count: (prefix) => inner.count(prefix),
    update: async (key, change) => {
      step();
      return inner.update(key, change);
    },
    delete: async (key) => {
      step();
      return inner.delete(key);
    },
  });
  const tables = (all: Tables): Tables =>
    Object.fromEntries(
      Object.entries(all as object).map(([name, value]) => [name, isTable(value) ? table(value as Table<unknown>) : value]),
    ) as unknown as Tables;
  return { ...store, ...tables(store), together: (work) => store.together((all) => work(tables(all))) };
}

function isTable(value: unknown): value is Table<unknown> {
  return typeof value === 'object' && value !== null && 'update' in value;
}

/** What carries a device from the old hub to the new one. */
async function mover(store: Store) {
  const parts = { store, clock: systemClock, entropy: seededEntropy('move'), limits: limitValues() };
  const journal = new Journal({ attempts: store.attempts, events: new EventEmitter(), clock: systemClock, log: pino({ level: 'silent' }) });
  const park = new HubPark({ ...parts, journal });
  await park.open([OLD, NEW].map((host) => ({ host, region: 'westeurope', subscription: '3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8a01' })));
  const go = (to: string, from: string | undefined, twin: 'initial' | 'migrated' | 'kept', operationId: string) =>
    carryOut(
      {
        registrationId: 'dev-1',
        source,
        operationId,
        authenticationKey: undefined,
        assignment: {
          move: {
            to: { hub: to, deviceId: 'dev-1' },
            from: from === undefined ? undefined : { hub: from, deviceId: 'dev-1' },
            twin,
            substatus: 'deviceDataMigrated',
          },
          initialTwin: { tags: { floor: 'initial' } },
          reachable: true,
          reason,
        },
      },
      authentication,
      { ...parts, hubs: park.running },
    );
  return { park, go };
}

/** Where the device is, and whether all that is kept of it agrees. */
async function whereabouts(store: Store): Promise<string> {
  const [old, fresh, oldTwin, freshTwin, registration] = await Promise.all([
    store.devices.get(deviceKey(OLD, 'dev-1')),
    store.devices.get(deviceKey(NEW, 'dev-1')),
    store.twins.get(deviceKey(OLD, 'dev-1')),
    store.twins.get(deviceKey(NEW, 'dev-1')),
    store.registrations.get('dev-1'),
  ]);
  const at = old !== undefined && oldTwin !== undefined && fresh === undefined && freshTwin === undefined ? OLD : undefined;
  const moved = fresh !== undefined && freshTwin !== undefined && old === undefined && oldTwin === undefined ? NEW : undefined;
  const place = at ?? moved;
  const twin = oldTwin ?? freshTwin;
  const whole = (twin?.reported as { seen?: number })?.seen === 7 && registration?.place?.hub === place;
  return whole && place !== undefined ? place : 'torn';
}

for (const kind of ['memory', 'sqlite'] as const) {
  t.test(`a move that is cut before any of its writes leaves the device whole at one hub (${kind})`, async (t) => {
    const folder = t.testdir({});
    let cuts = 0;
    let finished = false;
    for (let cutAt = 0; !finished; cutAt++) {
      const data = join(folder, `data-${cutAt}`);
      const copy = join(folder, `copy-${cutAt}`);
      const store = kind === 'memory' ? memoryStore() : await sqliteStore(data);
      let left = Number.POSITIVE_INFINITY;
      const { park, go } = await mover(
        watched(store, () => {
          if (left-- > 0) return;
          // The folder as a process that is killed here leaves it.
          if (kind === 'sqlite') cpSync(data, copy, { recursive: true });
          throw new Error('cut');
        }),
      );
      await go(OLD, undefined, 'initial', '1');
      await park.running.get(OLD)?.twins.changeReported({ deviceId: 'dev-1' }, { seen: 7 });
      left = cutAt;
      finished = await go(NEW, OLD, 'migrated', '2').then(
        () => true,
        () => false,
      );
      left = Number.POSITIVE_INFINITY;
      if (!finished) {
        cuts++;
        const where = await whereabouts(store);
        t.not(where, 'torn', `write ${cutAt}`);
        if (kind === 'sqlite') {
          const killed = await sqliteStore(copy);
          t.equal(await whereabouts(killed), where, `write ${cutAt}, killed`);
          await killed.close();
        }
        // Registering again completes what was cut.
        if (where === OLD) await go(NEW, OLD, 'migrated', '3');
      }
      t.equal(await whereabouts(store), NEW);
      await store.close();
    }
    t.ok(cuts >= 6, `${cuts} cuts`);
  });
}
