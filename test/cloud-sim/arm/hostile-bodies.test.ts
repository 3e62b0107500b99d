import fc from 'fast-check';
import t from 'tap';
import { makeAuthority } from '../certificates.js';
import { cloudFor, key } from '../clouds.js';
import { managerOf, SUBSCRIPTION } from './manager.js';

const DEVICES = `/subscriptions/${SUBSCRIPTION}/resourceGroups/zerotouch/providers/Microsoft.Devices`;
const RUNS = Number(process.env.ZT_FUZZ_CASES ?? 100);

const policy = { keyName: 'own', rights: 'RegistryRead, RegistryWrite, ServiceConnect', primaryKey: key('a'), secondaryKey: key('b') };
/** All that a hub can be told. */
const hub = {
  location: 'westeurope',
  tags: { line: '7' },
  sku: { name: 'S1', capacity: 2 },
  properties: {
    authorizationPolicies: [policy],
    eventHubEndpoints: { events: { retentionTimeInDays: 1, partitionCount: 4 } },
    cloudToDevice: {
      maxDeliveryCount: 5,
      defaultTtlAsIso8601: 'PT2H',
      feedback: { lockDurationAsIso8601: 'PT5S', ttlAsIso8601: 'PT1H', maxDeliveryCount: 10 },
    },
    messagingEndpoints: { fileNotifications: { lockDurationAsIso8601: 'PT1M', ttlAsIso8601: 'PT1H', maxDeliveryCount: 10 } },
    storageEndpoints: { $default: { sasTtlAsIso8601: 'PT1H', connectionString: '', containerName: '' } },
    routing: { endpoints: { eventHubs: [] }, routes: [], fallbackRoute: { name: '$fallback', isEnabled: true } },
    features: 'None',
    comments: 'x',
    minTlsVersion: '1.2',
    enableDataResidency: false,
  },
};

/** JSON that nobody asks for, and some that only just is not right. */
const odd = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom<unknown>(
      ...[null, true, -1, 0, 0.5, 1e9, 2 ** 53, 1e308, '', ' ', '\u0000', 'x'.repeat(5000), [], {}, [null], [[]]],
      JSON.parse('{"__proto__":{"a":1},"constructor":1,"toString":null}'),
    ),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown> },
);

/** A body with something else in one place. */
function altered(body: object): fc.Arbitrary<unknown> {
  return fc.tuple(fc.constantFrom(...placesIn(body)), odd).map(([place, value]) => put(body, place, value));
}

function placesIn(value: unknown, at: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [[...at]];
  return [...(at.length === 0 ? [] : [[...at]]), ...Object.entries(value).flatMap(([name, inner]) => placesIn(inner, [...at, name]))];
}

function put(body: unknown, [name, ...rest]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value;
  const inner = (body as Record<string, unknown>)[name];
  if (Array.isArray(body)) return body.map((item, index) => (String(index) === name ? put(item, rest, value) : item));
  return { ...(body as object), [name]: put(inner, rest, value) };
}

t.test('whatever a body holds in place of one value: an answer in due form, and what is there can be read afterwards', async (t) => {
  const cloud = await cloudFor(t);
  const { call } = await managerOf(t, cloud);
  const root = await makeAuthority('Line 7');
  const iotHubs = cloud.hubs.map(({ connectionString, region: location }) => ({
    ...{ connectionString, location, allocationWeight: 3, applyAllocationPolicy: true },
  }));
  const dps = {
    ...{ location: 'westeurope', tags: { line: '7' }, sku: { name: 'S1', capacity: 1 } },
    properties: {
      iotHubs,
      allocationPolicy: 'Hashed',
      authorizationPolicies: [{ ...policy, rights: 'ServiceConfig' }],
      enableDataResidency: false,
    },
  };
  const certificate = { properties: { certificate: Buffer.from(root.pem).toString('base64'), isVerified: true } };
  for (const [path, body] of [
    ['IotHubs/odd-hub', hub],
    ['provisioningServices/odd-dps', dps],
    ['IotHubs/hub-weu/certificates/odd', certificate],
  ] as const) {
    t.match(await call('PUT', `${DEVICES}/${path}`, { body }), { status: 201 }, 'unaltered it is taken');
  }
  const asked = fc.oneof(
    { weight: 4, arbitrary: altered(hub).map((body) => ['PUT', 'IotHubs/odd-hub', body] as const) },
    altered({ tags: hub.tags, sku: hub.sku }).map((body) => ['PATCH', 'IotHubs/odd-hub', body] as const),
    { weight: 3, arbitrary: altered(dps).map((body) => ['PUT', 'provisioningServices/odd-dps', body] as const) },
    altered({ tags: dps.tags }).map((body) => ['PATCH', 'provisioningServices/odd-dps', body] as const),
    altered(certificate).map((body) => ['PUT', 'IotHubs/hub-weu/certificates/odd', body] as const),
    altered({ certificate: 'x' }).map((body) => ['POST', 'IotHubs/hub-weu/certificates/odd/verify', body] as const),
  );
  await fc.assert(
    fc.asyncProperty(asked, async ([method, path, body]) => {
      const told = await call(method, `${DEVICES}/${path}`, { body: JSON.stringify(body), headers: { 'if-match': '*' } });
      if (told.status >= 500) throw new Error(`${told.status}: ${JSON.stringify(told.body)}`);
      if (told.status >= 400) return;
      for (const list of ['IotHubs', 'provisioningServices', path.replace('/verify', '')]) {
        const { status, body: shown } = await call('GET', `${DEVICES}/${list}`);
        if (status !== 200) throw new Error(`then ${list}: ${status} ${JSON.stringify(shown)}`);
      }
    }),
    { numRuns: RUNS, seed: Number(process.env.ZT_FUZZ_SEED ?? 20_260_101) },
  );
});
