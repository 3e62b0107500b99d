import { join } from 'node:path';
import { sameSettings } from '@zerotouch/firmware-sim/agent/settings';
import { readSettingsFile } from '@zerotouch/firmware-sim/agent/settings-file';
import t from 'tap';

t.test('settings: defaults, and paths as seen from the file', async (t) => {
  const dir = t.testdir({
    'least.yaml': 'version: 1\nimage: image.bin\n',
    'most.yaml': `version: 1
image: /dev/mmcblk0p3
transport: amqp-ws
endpoint: dps.example.org
timeServers: [pool.ntp.org]
tpm: /dev/tpmrm0
proxy: http://proxy:3128
healthSocket: /run/pump.sock
metricsPort: 9464
`,
  });
  const least = readSettingsFile(join(dir, 'least.yaml'));
  t.strictSame(least, {
    image: join(dir, 'image.bin'),
    transport: 'mqtt',
    client: 'sdk',
    healthSocket: '/run/zerotouch-device/health.sock',
  });
  const most = readSettingsFile(join(dir, 'most.yaml'));
  t.strictSame(most, {
    image: '/dev/mmcblk0p3',
    transport: 'amqp-ws',
    client: 'sdk',
    endpoint: 'dps.example.org',
    timeServer: ['pool.ntp.org'],
    tpm: '/dev/tpmrm0',
    proxy: 'http://proxy:3128',
    healthSocket: '/run/pump.sock',
    metricsPort: 9464,
  });
  t.ok(sameSettings(least, { ...least }));
  t.notOk(sameSettings(least, most));
});

t.test('settings that are refused', async (t) => {
  const refused: Record<string, [text: string, code: string, message: RegExp]> = {
    'no YAML': ['version: 1\nimage: [', 'SETTINGS_SYNTAX', /bad\.yaml:2:9/],
    'an alias of nothing': ['version: 1\nimage: *nowhere', 'SETTINGS_SYNTAX', /bad\.yaml: .*nowhere/],
    'an unknown key': ['version: 1\nimage: a\ntransprot: amqp', 'SETTINGS_INVALID', /bad\.yaml:3:12 transprot: .*transprot/],
    'another version': ['version: 2\nimage: a', 'SETTINGS_INVALID', /bad\.yaml:1:10 version/],
    'no image': ['version: 1', 'SETTINGS_INVALID', /bad\.yaml:1:1 image/],
    'nothing at all': ['', 'SETTINGS_INVALID', /bad\.yaml/],
    'a transport that is none': ['version: 1\nimage: a\ntransport: lora', 'SETTINGS_INVALID', /bad\.yaml:3:12 transport/],
    'what does not go together': ['version: 1\nimage: a\ntransport: amqp\nclient: wire', 'BAD_OPTION', /bad\.yaml: the wire client/],
    'no proxy': ['version: 1\nimage: a\nproxy: proxy', 'BAD_OPTION', /bad\.yaml: .*proxy/],
    'a port that is none': ['version: 1\nimage: a\nmetricsPort: 0', 'SETTINGS_INVALID', /bad\.yaml:3:14 metricsPort/],
    'a socket path that no address holds': [`version: 1\nimage: a\nhealthSocket: /${'x'.repeat(107)}`, 'SETTINGS_INVALID', /107 bytes/],
  };
  for (const [what, [text, code, message]] of Object.entries(refused)) {
    t.throws(() => readSettingsFile(join(t.testdir({ 'bad.yaml': text }), 'bad.yaml')), { code, message }, what);
  }
  const none = join(t.testdir({}), 'none.yaml');
  t.throws(() => readSettingsFile(none), { code: 'SETTINGS_UNREADABLE', where: none, seen: 'ENOENT' });
  t.throws(() => readSettingsFile(t.testdirName), { code: 'SETTINGS_UNREADABLE', where: t.testdirName, seen: 'EISDIR' }, 'a folder');
});
