import type { DriverPorts } from '@zerotouch/firmware-sim/boot/driver-ports';
import type { Device } from '@zerotouch/firmware-sim/runtime/device';
import { liveThrough } from '@zerotouch/firmware-sim/scenario/live';
import { scenarios } from '@zerotouch/firmware-sim/scenario/shipped';
import { composeImage } from '@zerotouch/flash-image/image';
import t from 'tap';
import { ScriptedSession } from '../boot/bench.js';

const HUB = 'hub-weu.azure-devices.net';
const image = composeImage({
  factory: {
    idScope: '0ne00000A1B',
    endpoint: 'global.azure-devices-provisioning.net',
    registrationId: 'thermo-000001',
    serial: '000001',
    symmetricKey: Buffer.alloc(32, 7),
  },
});

/** A cloud in memory, on a good day. */
const goodCloud = (ports: DriverPorts): DriverPorts => ({
  ...ports,
  dps: { register: async () => ({ outcome: 'assigned', hub: HUB, deviceId: 'thermo-000001' }) },
  hub: { connect: async () => ({ outcome: 'connected', session: new ScriptedSession() }) },
});

t.ok(scenarios.length >= 20);
t.equal(new Set(scenarios.map(({ name }) => name)).size, scenarios.length, 'names of their own');

for (const scenario of scenarios) {
  t.test(scenario.name, async (t) => {
    const result = await liveThrough(scenario, { image, device: { ports: goodCloud } });
    t.strictSame(result.problems, []);
    t.match(result, { asExpected: true, state: scenario.expect.state });
    if (scenario.expect.state !== 'refused') t.equal(result.hub, HUB);
    t.comment(JSON.stringify(result));
  });
}

t.test('a day that ends otherwise than it should is told', async (t) => {
  const [good] = scenarios;
  if (good === undefined) return;
  const result = await liveThrough({ ...good, expect: { state: 'running', dpsCalls: 2 } }, { image, device: { ports: goodCloud } });
  t.strictSame(result.problems, ['DPS was asked 1 times, not 2']);
  const never = { ...good, faults: [{ when: { state: 'safe' }, fault: 'link-drop' }] } as const;
  const ended = new AbortController();
  const watch = (device: Device): void => void device.on('running', () => ended.abort());
  t.match(await liveThrough(never, { image, device: { ports: goodCloud }, watch, signal: ended.signal }), {
    problems: ['some faults have not come, or are not over'],
  });
});
