import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { generate } from 'mqtt-packet';
import t from 'tap';
import { ending, firstLine, jsonLines, lastLine, run, runHere, start } from './support/command.js';

t.test('why a device was refused, asked of the running cloud', async (t) => {
  const dir = t.testdir({ elsewhere: {} });
  t.match(await runHere(dir, 'why', 'pump-1'), { code: 3, stdout: '', stderr: /zerotouch: .*no local cloud.*zerotouch cloud/ });

  const cloud = start(dir, 'cloud', '--json');
  const whole = ending(cloud);
  t.teardown(() => cloud.kill('SIGKILL'));
  const ready = JSON.parse(await firstLine(cloud)) as { dps: { mqttPort: number; idScope: string }; ca: string };

  const unheard = lastLine(await runHere(dir, 'why', 'pump-1', '--json'));
  t.match(unheard, { attempts: [], reason: /not heard of "pump-1"/, remedy: String });

  const socket = connectTls({ host: '127.0.0.1', port: ready.dps.mqttPort, servername: 'localhost', ca: readFileSync(ready.ca, 'utf8') });
  await once(socket, 'secureConnect');
  const key = createHmac('sha256', 'no key').digest('base64');
  const username = '0ne0000FFFF/registrations/pump-1/api-version=2021-06-01';
  socket.write(
    generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'pump-1', username, password: Buffer.from(key) }),
  );
  socket.resume();
  await once(socket, 'close');

  const told = await runHere(dir, 'why', 'PUMP-1', '--json');
  t.equal(told.code, 0);
  t.equal(jsonLines(told.stdout).length, 1);
  t.match(lastLine(told), {
    attempts: [
      {
        service: 'dps',
        transport: 'mqtt',
        outcome: 'refused',
        wire: { connack: 5 },
        reason: { rule: 'id-scope', seen: '0ne0000FFFF', nearest: /0ne00000A1B/ },
      },
    ],
    reason: 'the ID scope is of another DPS',
    remedy: /burn the ID scope/,
  });
  t.notMatch(told.stdout, key);
  const words = await run(dir, 'why', 'pump-1');
  t.match(
    words.stdout,
    /refused {2}\(CONNACK 5\) {2}id-scope\n\nReason: .*\nSeen: 0ne0000FFFF\nExpected: 0ne00000A1B\nNearest: .*\nWhat to do: .*\n$/,
  );

  const elsewhere = join(dir, 'elsewhere');
  t.equal((await runHere(elsewhere, 'why', 'pump-1', '--cloud', join(dir, '.zerotouch', 'cloud.json'))).code, 0);
  cloud.kill('SIGTERM');
  t.equal((await whole).code, 0);
});
