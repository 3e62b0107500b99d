import { request } from 'node:https';
import {
  type Behaviour,
  droppedAfterRegister,
  flaky,
  only,
  refuse,
  refuseAtHub,
  slow,
  throttled,
  times,
  wrongClock,
} from '@zerotouch/cloud-sim/cloud';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import t from 'tap';
import { cloudFor, derived, key, keyGroup, lastAttempt } from '../clouds.js';
import { register, signIn } from '../official-clients.js';
import { Wire, wireRegister } from '../wire.js';

const GROUP_KEY = key('g');
const proof = (id: string) => ({ key: derived(GROUP_KEY, id) });

t.test('refused so many times, then let in; others are let in at once', async (t) => {
  const cloud = await cloudFor(t, { behaviours: [only('DEV-1', times(2, refuse()))] });
  await keyGroup(cloud, 'g', GROUP_KEY);
  t.match(await register(cloud, 'dev-2', proof('dev-2')), { status: 'assigned' });
  await t.rejects(register(cloud, 'dev-1', proof('dev-1')), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    outcome: 'refused',
    wire: { status: 401, errorCode: 401002 },
    reason: { text: /behaviour "refuse"/ },
  });
  await t.rejects(register(cloud, 'dev-1', proof('dev-1')), { name: 'UnauthorizedError' });
  t.match(await register(cloud, 'dev-1', proof('dev-1')), { status: 'assigned' });
});

t.test('throttled and failing calls are asked again by the official client', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'g', GROUP_KEY);
  cloud.use(times(1, throttled({ retryAfterSeconds: 0.01 })));
  t.match(await register(cloud, 'dev-1', proof('dev-1')), { status: 'assigned' });
  t.match(await cloud.attempts('dev-1'), [{ wire: { status: 429, errorCode: 429001 } }, { outcome: 'assigned' }]);
  const half = flaky({ share: 1 });
  const plugged = cloud.use(only(/^dev-2$/g, half));
  const wire = await Wire.to(cloud);
  t.match(await wireRegister(wire, cloud, 'dev-2', GROUP_KEY), { code: 500, errorCode: 500000 });
  wire.end();
  plugged[Symbol.dispose]();
  plugged[Symbol.dispose]();
  t.match(await register(cloud, 'dev-2', proof('dev-2')), { status: 'assigned' });
  cloud.use(flaky({ share: 0 }));
  t.match(await register(cloud, 'dev-3', proof('dev-3')), { status: 'assigned' });
});

t.test('a slow cloud waits, by its own clock', async (t) => {
  const waited: number[] = [];
  const clock: Clock = {
    ...systemClock,
    wait: async (ms, signal) => (ms === 12_345 ? void waited.push(ms) : systemClock.wait(ms, signal)),
  };
  const cloud = await cloudFor(t, { clock, behaviours: [slow({ ms: 12_345 })] });
  await keyGroup(cloud, 'g', GROUP_KEY);
  const { assignedHub } = await register(cloud, 'dev-1', proof('dev-1'));
  t.equal(waited.length, 2, 'register and one poll');
  await (await signIn(cloud, assignedHub, 'dev-1', proof('dev-1'))).close();
  t.equal(waited.length, 3);
});

t.test('closing does not wait for a slow call', async (t) => {
  const cloud = await cloudFor(t, { behaviours: [slow({ ms: 3_600_000 })] });
  await keyGroup(cloud, 'g', GROUP_KEY);
  const wire = await Wire.to(cloud);
  const asked = wireRegister(wire, cloud, 'dev-1', GROUP_KEY);
  asked.catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  await cloud.close();
  await t.rejects(asked, /closed/);
});

t.test('a wrong clock judges tokens wrongly', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'g', GROUP_KEY);
  const hour = 3_600_000;
  const wrong = cloud.use(wrongClock({ aheadMs: 24 * hour }));
  await t.rejects(register(cloud, 'dev-1', proof('dev-1')), { name: 'UnauthorizedError' });
  const { at, reason } = await lastAttempt(cloud, 'dev-1');
  t.equal(reason.rule, 'sas-expired');
  t.ok(Date.parse(at) > Date.now() + 23 * hour, 'what is written down has the wrong time, too');
  wrong[Symbol.dispose]();
  t.match(await register(cloud, 'dev-1', proof('dev-1')), { status: 'assigned' });
});

t.test('the answer is lost, the registration is not', async (t) => {
  const cloud = await cloudFor(t, { behaviours: [times(2, droppedAfterRegister())] });
  await keyGroup(cloud, 'g', GROUP_KEY);
  const wire = await Wire.to(cloud);
  await t.rejects(wireRegister(wire, cloud, 'dev-1', GROUP_KEY), /closed before/);
  t.match(await cloud.registrations(), [{ registrationId: 'dev-1', status: 'assigned' }]);
  const { idScope, httpsPort } = cloud.dps;
  const lost = new Promise((resolve, reject) => {
    const { sas } = { sas: 'SharedAccessSignature sr=x&sig=x&se=1' };
    request(`https://localhost:${httpsPort}/${idScope}/registrations/dev-1/register?api-version=2021-06-01`, {
      method: 'PUT',
      ca: cloud.ca,
      headers: { authorization: sas },
    })
      .on('response', resolve)
      .on('error', reject)
      .end();
  });
  await t.rejects(lost, { code: 'ECONNRESET' }, 'over HTTPS as well');
  t.match(await register(cloud, 'dev-1', proof('dev-1')), { substatus: 'reprovisionedToInitialAssignment' });
});

t.test('a hub that keeps a device out', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'g', GROUP_KEY);
  const { assignedHub } = await register(cloud, 'dev-1', proof('dev-1'));
  cloud.use(times(1, refuseAtHub()));
  await t.rejects(signIn(cloud, assignedHub, 'dev-1', proof('dev-1')), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { service: 'hub', outcome: 'refused', reason: { text: /refuseAtHub/ } });
  await (await signIn(cloud, assignedHub, 'dev-1', proof('dev-1'))).close();
  cloud.use(only('dev-1', flaky({ share: 1 })));
  await t.rejects(signIn(cloud, assignedHub, 'dev-1', proof('dev-1')));
});

t.test('one of your own, and their order', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'g', GROUP_KEY);
  const told: string[] = [];
  const tell = (name: string): Behaviour => ({
    name,
    async dps({ kind, transport }, next) {
      told.push(`${name} ${kind} ${transport}`);
      const reply = await next();
      told.push(`${name} ${reply.status}`);
      return reply;
    },
  });
  cloud.use(tell('outer'));
  cloud.use(tell('inner'));
  await register(cloud, 'dev-1', proof('dev-1'));
  t.strictSame(told.slice(0, 4), ['outer register mqtt', 'inner register mqtt', 'inner 202', 'outer 202']);
  t.strictSame(told.slice(4), ['outer operation mqtt', 'inner operation mqtt', 'inner 200', 'outer 200']);
});
