import { allocateHashed, allocateNearest } from '@zerotouch/cloud-sim/dps/allocation';
import { latencyBetween } from '@zerotouch/cloud-sim/dps/latency';
import fc from 'fast-check';
import t from 'tap';
import { cloudFor, derived, key, keyGroup, lastAttempt } from './clouds.js';
import { register } from './official-clients.js';
import { Wire, wireRegister } from './wire.js';

const GROUP_KEY = key('line 7');
const proof = (id: string) => ({ key: derived(GROUP_KEY, id) });

t.test('latency follows the distance, and a table goes before it', async (t) => {
  t.equal(latencyBetween('West Europe', 'westeurope'), 1);
  t.ok(latencyBetween('westeurope', 'northeurope') < latencyBetween('westeurope', 'eastus'));
  t.ok(latencyBetween('eastus', 'westus') < latencyBetween('eastus', 'southeastasia'));
  t.equal(latencyBetween('westeurope', 'southeastasia'), latencyBetween('southeastasia', 'westeurope'));
  t.equal(latencyBetween('westeurope', 'atlantis'), Number.POSITIVE_INFINITY);
  const table = { 'West Europe': { atlantis: 7 } };
  t.equal(latencyBetween('westeurope', 'Atlantis', table), 7);
  t.equal(latencyBetween('atlantis', 'westeurope', table), 7);
});

t.test('the nearest hub is chosen, and among equally near ones the weighted hash decides', async (t) => {
  const hubs = [
    { host: 'a.net', weight: 1, region: 'westeurope' },
    { host: 'b.net', weight: 1, region: 'westeurope' },
    { host: 'c.net', weight: 1000, region: 'eastus' },
  ];
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9-]{1,40}$/), (id) => {
      const near = allocateNearest(id, hubs, 'northeurope');
      const nowhere = allocateNearest(id, hubs, undefined);
      return near === allocateHashed(id, hubs.slice(0, 2)) && nowhere === allocateHashed(id, hubs);
    }),
    { numRuns: 50 },
  );
  t.equal(allocateNearest('d', hubs, 'westus'), 'c.net');
  t.equal(allocateNearest('d', hubs, 'westus', { westus: { westeurope: 1 } }) === 'c.net', false);
  t.equal(allocateNearest('d', [{ host: 'a.net', weight: 0, region: 'eastus' }], 'eastus'), undefined);
});

t.test('lowest latency: a region is the address that a device reached', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { allocationPolicy: 'geoLatency' });
  const hubIn = (region: string) => cloud.hubs.find((hub) => hub.region === region)?.host;
  for (const [region, nearest] of [
    ['uksouth', 'westeurope'],
    ['brazilsouth', 'eastus'],
    ['japaneast', 'southeastasia'],
  ] as const) {
    const edge = cloud.dps.edges.find((other) => other.region === region);
    const wire = await Wire.to(cloud, { host: edge?.address ?? 'no edge' });
    const reply = await wireRegister(wire, cloud, `dev-${region}`, GROUP_KEY);
    t.equal(reply.registrationState?.assignedHub, hubIn(nearest), region);
    wire.end();
  }
  t.match(await lastAttempt(cloud, 'dev-uksouth'), { reason: { text: /by geoLatency allocation/ } });
});

t.test('a latency table of the user decides, and regions are the ones asked for', async (t) => {
  const cloud = await cloudFor(t, {
    regions: ['Moon Base'],
    latencies: { moonbase: { westeurope: 2000, eastus: 1900, southeastasia: 5 } },
  });
  t.strictSame(cloud.dps.edges, [{ region: 'moonbase', address: '127.0.1.1' }]);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { allocationPolicy: 'geoLatency' });
  const wire = await Wire.to(cloud, { host: '127.0.1.1' });
  const { registrationState } = await wireRegister(wire, cloud, 'dev-1', GROUP_KEY);
  t.equal(registrationState?.assignedHub, 'hub-sea.azure-devices.net');
  wire.end();
});

t.test("static allocation, and the enrolment's policy before the service's", async (t) => {
  const cloud = await cloudFor(t);
  const [first, second] = cloud.hubs.map(({ host }) => host);
  await cloud.linkedHubs.setAllocationPolicy('static');
  t.equal(await cloud.linkedHubs.allocationPolicy(), 'static');
  await keyGroup(cloud, 'one', GROUP_KEY, { iotHubs: [second] });
  t.equal((await register(cloud, 'dev-1', proof('dev-1'))).assignedHub, second);

  await keyGroup(cloud, 'one', GROUP_KEY, { iotHubs: [first, second] });
  await t.rejects(register(cloud, 'dev-2', proof('dev-2')));
  t.match(await lastAttempt(cloud, 'dev-2'), { wire: { errorCode: 400208 }, reason: { rule: 'static-hubs', seen: /,/, nearest: /alone/ } });

  await keyGroup(cloud, 'one', GROUP_KEY, { allocationPolicy: 'hashed' });
  t.equal((await register(cloud, 'dev-2', proof('dev-2'))).status, 'assigned');

  await t.rejects(keyGroup(cloud, 'one', GROUP_KEY, { allocationPolicy: 'static', iotHubs: [first, second] }), { code: 'BAD_ENROLMENT' });
  await t.rejects(cloud.linkedHubs.setAllocationPolicy('custom' as never), { code: 'BAD_LINK' });
});

t.test('weights, taking a hub out, unlinking and linking count at once', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const [first, second, third] = cloud.hubs.map(({ host }) => host) as [string, string, string];
  await cloud.linkedHubs.update(first, { applyAllocationPolicy: false });
  await cloud.linkedHubs.update(second, { allocationWeight: 0 });
  for (const id of ['a', 'b', 'c']) t.equal((await register(cloud, id, proof(id))).assignedHub, third);
  t.match(await lastAttempt(cloud, 'a'), {
    reason: {
      rule: 'assigned',
      skipped: [
        { host: second, rule: 'hub-taken-out' },
        { host: first, rule: 'hub-taken-out' },
      ].toSorted((a, b) => (a.host < b.host ? -1 : 1)),
    },
  });

  t.equal(await cloud.linkedHubs.unlink(third), true);
  await t.rejects(register(cloud, 'd', proof('d')));
  t.match(await lastAttempt(cloud, 'd'), { wire: { errorCode: 400208 }, reason: { rule: 'hub-taken-out' } });

  const made = await cloud.hubsAdmin.create({
    host: 'hub-new.azure-devices.net',
    region: 'japaneast',
    subscription: '3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8aff',
  });
  await cloud.linkedHubs.link(made.connectionString, { allocationWeight: 1000 });
  t.equal((await register(cloud, 'd', proof('d'))).assignedHub, made.host);
  t.match(await cloud.hub(made.host).devices(), [{ deviceId: 'd' }]);
  t.match(await cloud.linkedHubs.list(), [
    {},
    { host: made.host, region: 'japaneast', allocationWeight: 1000, connectionString: /SharedAccessKey=\*\*\*\*$/ },
    {},
  ]);
});

t.test('a full hub is passed over; when all are full, the registration fails', async (t) => {
  const cloud = await cloudFor(t, { limits: { devicesPerHub: 1 } });
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const hubs = new Set<string>();
  for (const id of ['a', 'b', 'c']) hubs.add((await register(cloud, id, proof(id))).assignedHub);
  t.equal(hubs.size, 3);
  await t.rejects(register(cloud, 'd', proof('d')));
  t.match(await lastAttempt(cloud, 'd'), { wire: { status: 200, errorCode: 400208 }, reason: { rule: 'hub-full', skipped: [{}, {}, {}] } });
});
