import { join } from 'node:path';
import { bootImage } from '@zerotouch/firmware-sim/runtime/boot-image';
import { readCloudFile } from '@zerotouch/firmware-sim/runtime/cloud-file';
import t from 'tap';

const good = { ready: true, dps: { host: 'localhost', mqttPort: 8883 }, ca: 'ca.pem' };

t.test('the file of a local cloud', async (t) => {
  const dir = t.testdir({ 'cloud.json': JSON.stringify(good), 'ca.pem': 'the CA' });
  const gateway = { host: 'localhost', port: 8883 };
  t.strictSame(readCloudFile(join(dir, 'cloud.json')), { dpsHost: 'localhost', dpsPort: 8883, gateway, ports: {}, ca: 'the CA' });

  const bad: Record<string, unknown> = {
    'not JSON': 'hello',
    'not an object': [good],
    'no host': { ...good, dps: { mqttPort: 8883 } },
    'a port that is none': { ...good, dps: { host: 'localhost', mqttPort: 70_000 } },
    'no ca': { ...good, ca: undefined },
    'a ca that is not there': { ...good, ca: 'gone.pem' },
  };
  for (const [what, content] of Object.entries(bad)) {
    const file = join(t.testdir({ 'cloud.json': typeof content === 'string' ? content : JSON.stringify(content) }), 'cloud.json');
    t.throws(() => readCloudFile(file), { code: 'CLOUD_FILE', where: file }, what);
  }
  t.throws(() => readCloudFile(join(dir, 'nowhere.json')), { code: 'CLOUD_FILE', message: /no such file/ });
});

t.test('options that make no sense', async (t) => {
  const boot = (options: object) =>
    bootImage('x.bin', { client: 'wire', transport: 'mqtt', ...options }, silent, new AbortController().signal);
  const silent = { event() {}, result() {} };
  await t.rejects(boot({ cloud: 'a', endpoint: 'b' }), { code: 'BAD_OPTION' });
  for (const endpoint of ['', 'http://dps', 'dps:0', 'dps:99999', 'a b'])
    await t.rejects(boot({ endpoint }), { code: 'BAD_OPTION', seen: endpoint });
  await t.rejects(boot({ transport: 'amqp' }), { code: 'BAD_OPTION', message: /wire client/ });
  for (const proxy of ['proxy', 'socks5://proxy:1080', 'http://user:hush@proxy:3128', 'env:NO_SUCH_VARIABLE'])
    await t.rejects(boot({ proxy, endpoint: 'dps' }), { code: 'BAD_OPTION', seen: undefined, message: /^(?!.*hush)/ }, proxy);
});
