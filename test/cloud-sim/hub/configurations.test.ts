import type iothub from 'azure-iothub';
import t, { type Test } from 'tap';
import { cloudFor } from '../clouds.js';
import { signIn, twinOf } from '../official-clients.js';
import { askHub, registryOf } from './service-clients.js';

async function open(t: Test) {
  const cloud = await cloudFor(t);
  const host = cloud.hubs[0]?.host ?? '';
  return { cloud, host, hub: cloud.hub(host), registry: registryOf(cloud, host) };
}

/** A configuration for every device. */
function configuration(id: string, more: object = {}): iothub.Configuration {
  const content = { deviceContent: { 'properties.desired.interval': 60 } };
  return { id, schemaVersion: '1.0', content, targetCondition: '*', priority: 1, ...more } as unknown as iothub.Configuration;
}

t.test('what a configuration cannot do is refused, and nothing of it is kept', async (t) => {
  const { registry, hub } = await open(t);
  await hub.createDevice({ deviceId: 'dev-1' });
  const metric = (query: string) => ({ metrics: { queries: { mine: query } } });
  const content = (deviceContent: object) => ({ content: { deviceContent } });
  const long = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, 'z'.repeat(3000)]));
  for (const [more, message] of [
    [metric('select deviceId'), /metric "mine".*FROM was expected/],
    [metric('select * from devices group by tags.line'), /metric "mine".*cannot be grouped/],
    [metric('select deviceId from devices where guess(tags.line)'), /metric "mine".*no function "guess"/],
    [content({ 'properties.desired': 5 }), /properties\.desired is no JSON object/],
    [content({ 'properties.desired.a': { 'b c': 1 } }), /holds the key "b c"/],
    [content({ 'properties.desired.a': long }), /at most 32768 are allowed/],
  ] as const)
    await t.rejects(registry.addConfiguration(configuration('base', more)), { name: 'ArgumentError', message });
  t.strictSame((await registry.getConfigurations()).responseBody, []);
  t.strictSame((await hub.twin('dev-1')).properties.desired, { $version: 1 });
});

t.test('lists are as long as they are asked to be; what is no number is refused', async (t) => {
  const { cloud, host, registry } = await open(t);
  for (const id of ['one', 'two']) await registry.addConfiguration(configuration(id));
  const list = (top: string) => askHub(cloud, host, { path: `/configurations?api-version=2021-04-12&top=${top}` });
  t.match(await list('1'), { status: 200, body: [{ id: 'one' }] });
  t.equal(((await list('500')).body as unknown[]).length, 2);
  for (const top of ['many', '0', '1.5']) t.match(await list(top), { status: 400, body: { Message: /top is no number from 1/ } }, top);
});

t.test('a device that has no room for a configuration is targeted, and not counted as one that has it', async (t) => {
  const { registry, hub } = await open(t);
  await hub.createDevice({ deviceId: 'full' });
  await hub.createDevice({ deviceId: 'free' });
  const blocks = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'z'.repeat(4000)]));
  await hub.updateDesired('full', blocks(8));
  await registry.addConfiguration(configuration('base', { content: { deviceContent: { 'properties.desired.more': blocks(1) } } }));
  const { responseBody } = await registry.getConfiguration('base');
  t.match(responseBody, { systemMetrics: { results: { targetedCount: 2, appliedCount: 1 } } });
});

t.test('a condition on reported properties finds a device once it reports them', async (t) => {
  const { cloud, host, registry, hub } = await open(t);
  const { authentication } = await hub.createDevice({ deviceId: 'dev-1' });
  const targetCondition = "properties.reported.firmware = '1.4'";
  await registry.addConfiguration(configuration('old', { targetCondition }));
  const desired = async () => (await hub.twin('dev-1')).properties.desired;
  t.strictSame(await desired(), { $version: 1 });

  const key = authentication.type === 'sas' ? authentication.primaryKey : '';
  const device = await signIn(cloud, host, 'dev-1', { key });
  t.teardown(() => device.close());
  const twin = await twinOf(device);
  const report = (patch: object) =>
    new Promise<void>((resolve, reject) =>
      twin.properties.reported.update(patch, (error: Error | null | undefined) => (error ? reject(error) : resolve())),
    );
  await report({ firmware: '1.4' });
  t.strictSame(await desired(), { interval: 60, $version: 2 });
  const counts = async () => (await registry.getConfiguration('old')).responseBody.systemMetrics?.results;
  t.match(await counts(), { targetedCount: 1, appliedCount: 1 });

  await report({ firmware: '1.5' });
  t.match(await counts(), { targetedCount: 0, appliedCount: 0 }, 'and is left alone when they have changed');
  t.strictSame(await desired(), { interval: 60, $version: 2 }, 'with what it was given');
});
