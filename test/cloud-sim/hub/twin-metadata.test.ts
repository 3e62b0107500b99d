import type { JsonObject, JsonValue } from '@zerotouch/azure-wire/twin';
import { mergeTwin } from '@zerotouch/azure-wire/twin';
import fc from 'fast-check';
import t from 'tap';
import { cloudFor } from '../clouds.js';
import { ManualClock } from '../manual-clock.js';
import { registryOf } from './service-clients.js';

const host = 'hub-weu.azure-devices.net';

type Metadata = { $lastUpdated: string; $lastUpdatedVersion?: number } & { [name: string]: Metadata };

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Every path in a section, and whether a patch writes it. */
function paths(section: JsonObject, above: readonly string[] = []): string[][] {
  return Object.entries(section).flatMap(([name, value]) => [[...above, name], ...(isObject(value) ? paths(value, [...above, name]) : [])]);
}

const writes = (patch: JsonObject, path: readonly string[]): boolean => {
  let at: JsonValue | undefined = patch;
  for (const name of path) {
    if (!isObject(at) || !Object.hasOwn(at, name)) return false;
    at = at[name];
  }
  return at !== null;
};

const { patch } = fc.letrec<{ patch: JsonObject; value: JsonValue }>((tie) => ({
  patch: fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  value: fc.oneof({ depthSize: 'small' }, fc.constant(null), fc.nat(9), fc.array(fc.nat(9), { maxLength: 2 }), tie('patch')),
}));

t.test('of each property, as deep as they go, the metadata tell the write that wrote it last', async (t) => {
  const cloud = await cloudFor(t);
  const hub = cloud.hub(host);
  let made = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(patch, { minLength: 1, maxLength: 5 }), async (patches) => {
      const deviceId = `dev-${made++}`;
      await hub.createDevice({ deviceId });
      let section: JsonObject = {};
      for (const one of patches) {
        await hub.updateDesired(deviceId, one);
        section = mergeTwin(section, one);
      }
      const [{ $metadata }] = (await hub.query(`SELECT properties.desired.$metadata FROM devices WHERE deviceId = '${deviceId}'`)) as [
        { $metadata: Metadata },
      ];
      t.equal($metadata.$lastUpdatedVersion, patches.length + 1);
      for (const path of paths(section)) {
        const told = path.reduce<Metadata>((at, name) => at[name] as Metadata, $metadata);
        // A twin begins with version 1, the first patch makes version 2.
        const expected = patches.findLastIndex((one) => writes(one, path)) + 2;
        if (told.$lastUpdatedVersion !== expected) throw new Error(`${path.join('.')}: ${told.$lastUpdatedVersion}, not ${expected}`);
      }
    }),
    { numRuns: 200 },
  );
});

t.test('the official client reads when each property was written', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock });
  const hub = cloud.hub(host);
  await hub.createDevice({ deviceId: 'dev-1' });
  const registry = registryOf(cloud, host);
  const times: string[] = [];
  const write = async (desired: JsonObject): Promise<void> => {
    clock.advance(60_000);
    times.push(new Date(clock.now()).toISOString().slice(0, 19));
    await registry.updateTwin('dev-1', { properties: { desired } }, '*');
  };
  await write({ interval: 5, lamp: { colour: 'red', level: 1 } });
  await write({ lamp: { level: 2 } });
  const { responseBody } = await registry.getTwin('dev-1');
  const [first, second] = times.map((time) => new RegExp(`^${time}`));
  t.match(responseBody.properties.desired.$metadata, {
    $lastUpdated: second,
    $lastUpdatedVersion: 3,
    interval: { $lastUpdated: first, $lastUpdatedVersion: 2 },
    lamp: {
      $lastUpdated: second,
      colour: { $lastUpdated: first, $lastUpdatedVersion: 2 },
      level: { $lastUpdated: second, $lastUpdatedVersion: 3 },
    },
  });
});
