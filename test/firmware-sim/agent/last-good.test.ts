import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastGoodIn } from '@zerotouch/firmware-sim/agent/last-good';
import type { Settings } from '@zerotouch/firmware-sim/agent/settings';
import t from 'tap';

const whole: Settings = { image: '/a/image.bin', healthSocket: '/a/health.sock', client: 'wire', transport: 'mqtt' };
const full: Settings = {
  ...whole,
  client: 'sdk',
  transport: 'amqp-ws',
  timeServer: ['pool.ntp.org'],
  tpm: '/dev/tpmrm0',
  proxy: 'env:PROXY',
  endpoint: 'dps.example:443',
  metricsPort: 9464,
};

t.test('what was kept is read', async (t) => {
  const lastGood = lastGoodIn(join(t.testdir(), 'state'));
  t.equal(lastGood.read(), undefined, 'nothing yet');
  for (const settings of [whole, full]) {
    lastGood.keep(settings);
    t.strictSame(lastGood.read(), settings);
  }
});

t.test('what is damaged, or was written by another version, is as good as nothing', async (t) => {
  const { client: _, ...without } = whole;
  const texts = ['', '\0\0\0\0', 'null', '5', '""', '[]', '{}', JSON.stringify(whole).slice(0, -9)];
  const wrong = [without, { ...whole, image: 5 }, { ...whole, healthSocket: null }, { ...whole, transport: 'lqtt' }];
  const optional = [
    { ...whole, proxy: 5 },
    { ...whole, timeServer: 'pool' },
    { ...whole, timeServer: [5] },
    { ...whole, metricsPort: 0.5 },
  ];
  for (const text of [...texts, ...[...wrong, ...optional].map((value) => JSON.stringify(value))]) {
    const folder = t.testdir();
    writeFileSync(join(folder, 'last-good.json'), text);
    t.equal(lastGoodIn(folder).read(), undefined, JSON.stringify(text));
  }
});
