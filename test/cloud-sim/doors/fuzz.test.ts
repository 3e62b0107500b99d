import { once } from 'node:events';
import { connect } from 'node:tls';
import { buildDpsUserName } from '@zerotouch/azure-wire/dps-mqtt';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import fc from 'fast-check';
import t from 'tap';
import { heapNeeded } from '../../support/heap.js';
import { cloudFor, derived, key, keyGroup } from '../clouds.js';
import { register, signIn } from '../official-clients.js';
import { Wire } from '../wire.js';
import { type Case, type Door, dialogue, hostile, hubDialogue, sayings, token } from './hostile.js';

/** Cases a door; ZT_FUZZ_CASES asks for more, ZT_FUZZ_SEED for others. */
const CASES = Number(process.env.ZT_FUZZ_CASES ?? 100);
const SEED = Number(process.env.ZT_FUZZ_SEED ?? 20_260_101);
const AT_ONCE = 20;
const LONGEST_STAY_MS = 100;
const HEAP_BYTES = 96 * 1024 * 1024;

for (const door of ['mqtt', 'amqp', 'https'] as const) {
  t.test(`hostile clients at the ${door} door harm nobody`, { timeout: CASES * 1000 }, async (t) => {
    const cloud = await cloudFor(t);
    const groupKey = key('group');
    await keyGroup(cloud, 'keys', groupKey);
    const pieces = dialogue(door, cloud.dps.idScope, 'victim');
    const witness = await Wire.to(cloud);
    const username = buildDpsUserName({ idScope: cloud.dps.idScope, registrationId: 'witness', apiVersion: '2021-06-01' });
    const password = Buffer.from(token(cloud.dps.idScope, 'witness', Buffer.from(derived(groupKey, 'witness'), 'base64')));
    t.equal(await witness.connect({ clientId: 'witness', username, password }), 0);
    const before = heapNeeded();

    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (cases) => {
        await Promise.all(cases.map((one) => attack(portOf(cloud, door), cloud.ca, one, pieces)));
        witness.send({ cmd: 'pingreq' });
        const answer = await witness.next();
        return answer.cmd === 'pingresp' && !(await cloud.registrations()).some(({ registrationId }) => registrationId !== 'witness');
      }),
      { seed: SEED, numRuns: Math.ceil(CASES / AT_ONCE), endOnFailure: true },
    );

    t.ok(heapNeeded() - before < HEAP_BYTES, 'the heap stays bounded');
    const { deviceId } = await register(cloud, 'witness', { key: derived(groupKey, 'witness') });
    t.equal(deviceId, 'witness', 'who is enrolled still registers');
    witness.end();
  });
}

for (const door of ['mqtt', 'amqp', 'https'] as const) {
  t.test(`hostile devices and services at the ${door} door of a hub harm nobody`, { timeout: CASES * 1000 }, async (t) => {
    const cloud = await cloudFor(t);
    const hub = cloud.hub(cloud.hubs[0]?.host ?? '');
    await hub.createDevice({ deviceId: 'victim' });
    const { authentication } = await hub.createDevice({ deviceId: 'witness' });
    const proof = { key: 'primaryKey' in authentication ? authentication.primaryKey : '' };
    await hub.updateDesired('victim', { kept: true });
    await hub.sendMessage('victim', { body: 'kept' });
    const witness = await signIn(cloud, hub.host, 'witness', proof);
    t.teardown(() => witness.close());
    const twin = JSON.stringify(await hub.twin('victim'));
    const pieces = hubDialogue(door, hub.host, 'victim');
    const before = heapNeeded();

    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (cases) => {
        await Promise.all(cases.map((one) => attack(portOf(cloud, door), cloud.ca, one, pieces)));
        await witness.getTwin();
        return JSON.stringify(await hub.twin('victim')) === twin;
      }),
      { seed: SEED, numRuns: Math.ceil(CASES / AT_ONCE), endOnFailure: true },
    );

    t.ok(heapNeeded() - before < HEAP_BYTES, 'the heap stays bounded');
    t.strictSame(
      await hub.query("SELECT cloudToDeviceMessageCount AS n, connectionState AS state FROM devices WHERE deviceId = 'victim'"),
      [{ n: 1, state: 'Disconnected' }],
      'nobody got the message',
    );
  });
}

/** Says it, and resolves when the connection is gone. */
async function attack(port: number, ca: string, one: Case, pieces: readonly Buffer[]): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca });
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.resume();
  await Promise.race([once(socket, 'secureConnect').catch(() => {}), closed]);
  for (const part of sayings(one, pieces)) if (socket.writable) socket.write(part);
  if (one.leaving === 'end') socket.end();
  if (one.leaving === 'destroy') socket.destroy();
  // What is left may be a session in due form, which the cloud keeps: the client goes at last.
  const late = setTimeout(() => socket.destroy(), LONGEST_STAY_MS);
  await closed;
  clearTimeout(late);
}

function portOf({ dps }: Cloud, door: Door): number {
  return { mqtt: dps.mqttPort, amqp: dps.amqpPort, https: dps.httpsPort }[door];
}
