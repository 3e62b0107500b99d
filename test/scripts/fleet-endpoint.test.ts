import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { isAzureDps, LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import { composeImage } from '@zerotouch/flash-image/image';
import { parseFleetSpec } from '@zerotouch/fleet-sim/spec';
import { chooseEndpoint } from '@zerotouch/scripts/fleet-endpoint';
import { estimateFleet } from '@zerotouch/scripts/fleet-estimate';
import t, { type Test } from 'tap';

const HOST = 'global.azure-devices-provisioning.net';
const STAGGERED = 'powerOn: { profile: staggered, perSecond: 5 }';

function specOf(t: Test, text: string, idScope = '0ne00FFFFFF') {
  const folder = t.testdir({ batch: {} });
  for (const registrationId of ['a', 'b']) {
    const factory = { idScope, endpoint: HOST, registrationId, serial: registrationId, symmetricKey: Buffer.alloc(32) };
    writeFileSync(join(folder, 'batch', `${registrationId}.bin`), composeImage({ factory }));
  }
  return parseFleetSpec(`version: 1\nimages: batch\n${text}`, `${folder}/fleet.yaml`);
}

function job() {
  const events: Record<string, unknown>[] = [];
  const output = { event: (line: Record<string, unknown>) => void events.push(line), result: () => undefined };
  return { events, output, signal: new AbortController().signal };
}

/** Somebody at a terminal who types this. */
function person(typed: string) {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const output = Object.assign(new PassThrough(), { isTTY: true });
  input.write(`${typed}\n`);
  return { input, output };
}
const nobody = { input: new PassThrough(), output: new PassThrough() };

t.test('a real endpoint is met only when its name was said twice', async (t) => {
  const spec = specOf(t, STAGGERED);
  const flags = { endpoint: HOST, maxRate: 16 };
  await t.rejects(chooseEndpoint(spec, flags, job(), nobody), { code: 'NOT_CONFIRMED', message: new RegExp(`expected --confirm ${HOST}`) });
  await t.rejects(chooseEndpoint(spec, { ...flags, confirm: 'other.example' }, job(), person(HOST)), { code: 'NOT_CONFIRMED' });
  await t.rejects(chooseEndpoint(spec, flags, job(), person('yes')), { code: 'NOT_CONFIRMED', seen: 'yes' });
  const told = job();
  t.strictSame(await chooseEndpoint(spec, { ...flags, confirm: HOST }, told, nobody), { dpsHost: HOST, dpsPort: 8883 });
  t.match(told.events, [{ event: 'estimate', endpoint: HOST, devices: 2, registrations: 2, hubMessages: 6 }]);
  t.strictSame(await chooseEndpoint(spec, flags, job(), person(HOST)), { dpsHost: HOST, dpsPort: 8883 });
});

t.test('a real endpoint takes no more than the rate that it allows', async (t) => {
  const confirmed = { endpoint: HOST, confirm: HOST, maxRate: 16 };
  for (const powerOn of [
    'powerOn: { profile: at-once }',
    'powerOn: { profile: paced, booting: 5 }',
    'powerOn: { profile: poisson, perSecond: 17 }',
  ]) {
    await t.rejects(chooseEndpoint(specOf(t, powerOn), confirmed, job(), nobody), { code: 'NOT_CONFIRMED' }, powerOn);
  }
  const fast = specOf(t, 'powerOn: { profile: staggered, perSecond: 40 }');
  t.match(await chooseEndpoint(fast, { ...confirmed, maxRate: 50 }, job(), nobody), { dpsHost: HOST });
});

t.test('images for the local cloud are refused before Azure refuses each of them', async (t) => {
  const spec = specOf(t, STAGGERED, LOCAL_ID_SCOPE);
  const confirmed = { endpoint: HOST, confirm: HOST, maxRate: 16 };
  await t.rejects(chooseEndpoint(spec, confirmed, job(), nobody), { code: 'ID_SCOPE_MISMATCH', seen: LOCAL_ID_SCOPE });
  // A local cloud of another machine has that scope.
  const elsewhere = { endpoint: 'cloud.factory.example', confirm: 'cloud.factory.example', maxRate: 16 };
  t.match(await chooseEndpoint(spec, elsewhere, job(), nobody), { dpsHost: 'cloud.factory.example' });
  for (const host of [HOST, 'line.azure-devices-provisioning.us', 'global.azure-devices-provisioning.cn']) t.ok(isAzureDps(host), host);
  t.notOk(isAzureDps('azure-devices-provisioning.net.example'));
});

t.test('the estimate counts boots, messages and units', async (t) => {
  const spec = specOf(
    t,
    `${STAGGERED}\nafterwards: { stayForSeconds: 3600, telemetryEverySeconds: 10 }\nfaults: { powerCuts: { share: 0.5, withinSeconds: 60 } }`,
  );
  const estimate = estimateFleet(spec, 1000, 5);
  t.match(estimate, { devices: 1000, seconds: 200, registrations: 1500, hubMessages: 4500 + 370_000, s1Units: 1 });
  t.ok(estimate.usd > 0 && estimateFleet(spec, 100_000, 5).usd > estimate.usd);
});
