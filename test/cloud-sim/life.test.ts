import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import t from 'tap';
import { cloudFor, derived, key, keyGroup, lastAttempt } from './clouds.js';
import { register, signIn } from './official-clients.js';
import { Wire } from './wire.js';

t.test('closing ends every connection, and may be said twice', async (t) => {
  const cloud = await startCloud();
  const open = await Wire.to(cloud);
  await Promise.all([cloud.close(), cloud.close()]);
  await open.closed;
  await cloud.close();
  await t.rejects(Wire.to(cloud), { code: 'ECONNREFUSED' });
});

t.test('a process ends when its cloud is closed', async (t) => {
  const script = `
    import { connect } from 'node:tls';
    import { startCloud } from ${JSON.stringify(import.meta.resolve('@zerotouch/cloud-sim/cloud'))};
    const cloud = await startCloud();
    const socket = connect({ port: cloud.dps.mqttPort, host: '127.0.0.1', servername: 'localhost', ca: cloud.ca }, async () => {
      await cloud.close();
      console.log('closed');
    });
    socket.on('error', () => {});
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  t.equal(stdout, 'closed\n');
});

t.test('a port that is taken, and options that cannot be', async (t) => {
  const cloud = await cloudFor(t);
  await t.rejects(startCloud({ mqttPort: cloud.dps.mqttPort }), { code: 'PORT_IN_USE', message: new RegExp(String(cloud.dps.mqttPort)) });
  await t.rejects(startCloud({ idScope: 'mine' }), { code: 'BAD_OPTIONS', message: /idScope/ });
  await t.rejects(startCloud({ retryAfterSeconds: -1 }), { code: 'BAD_OPTIONS', message: /retryAfterSeconds/ });
  await t.rejects(startCloud({ hubs: [] }), { code: 'BAD_OPTIONS', message: /hubs/ });
});

t.test('a listener of events that throws harms nobody', async (t) => {
  const cloud = await cloudFor(t);
  for (const name of ['registered', 'refused', 'connected', 'disconnected'] as const) {
    cloud.events.on(name, () => {
      throw new Error('a mistake in a listener');
    });
  }
  await keyGroup(cloud, 'g', key('g'));
  const proof = { key: derived(key('g'), 'dev-1') };
  const { assignedHub } = await register(cloud, 'dev-1', proof);
  await t.rejects(register(cloud, 'dev-2', proof), { name: 'UnauthorizedError' });
  const client = await signIn(cloud, assignedHub, 'dev-1', proof);
  await client.close();
});

t.test('attempts are kept in bounds', async (t) => {
  const cloud = await cloudFor(t);
  for (let index = 0; index < 40; index++) {
    const wire = await Wire.to(cloud);
    await wire.connect({ clientId: 'dev-1', username: `${cloud.dps.idScope}/registrations/dev-1/api-version=2021-06-01` });
    wire.end();
  }
  t.equal((await cloud.attempts('dev-1')).length, 32);
  t.match(await lastAttempt(cloud, 'dev-1'), { at: /\.\d{7}Z$/, reason: { rule: 'credential-missing', remedy: String } });
});
