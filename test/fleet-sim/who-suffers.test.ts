import { leastSeconds } from '@zerotouch/firmware-sim/scenario/duration';
import { scenarios } from '@zerotouch/firmware-sim/scenario/shipped';
import { parseFleetSpec } from '@zerotouch/fleet-sim/spec';
import { type FleetScenario, whoSuffers } from '@zerotouch/fleet-sim/who-suffers';
import fc from 'fast-check';
import t from 'tap';

const shipped = (name: string, more: Partial<FleetScenario> = {}): FleetScenario => {
  const scenario = scenarios.find((each) => each.name === name);
  if (scenario === undefined) throw new Error(name);
  return { scenario, share: 1, ...more };
};
const images = (count: number, region?: string) =>
  Array.from({ length: count }, (_, index) => ({ image: `/batch/images/pump-${index + 1}.bin`, region }));

t.test(
  'a share falls on as many devices as it says, each with one scenario, the same ones wherever their images lie and in whatever order',
  async () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 400 }),
        fc.array(fc.double({ min: 0.001, max: 0.24, noNaN: true }), { minLength: 1, maxLength: 4 }),
        fc.string(),
        (count, shares, seed) => {
          const all = shares.map((share) => shipped('dns-gone', { share }));
          const devices = images(count);
          const chosen = whoSuffers(all, devices, seed);
          const counted = shares.every((share, number) => {
            return chosen.filter((own) => own === number).length === Math.max(1, Math.round(share * count));
          });
          const moved = devices.map(({ image }) => ({ image: image.replace('/batch', '/mnt/other'), region: undefined })).reverse();
          return counted && JSON.stringify(whoSuffers(all, moved, seed).reverse()) === JSON.stringify(chosen);
        },
      ),
    );
  },
);

t.test('another seed chooses others, names and regions narrow the choice', async (t) => {
  const devices = [...images(100, 'westeurope'), { image: 'valve-1.bin', region: 'eastus' }];
  const some = [shipped('dns-gone', { share: 0.1 })];
  t.strictNotSame(whoSuffers(some, devices, 'a'), whoSuffers(some, devices, 'b'));
  const named = whoSuffers([shipped('dns-gone', { devices: ['pump-1*', 'valve-?'] })], devices, '');
  t.equal(named.filter((own) => own === 0).length, 12, 'pump-1, pump-10 to 19, pump-100');
  t.equal(whoSuffers([shipped('dns-gone', { region: 'eastus' })], devices, '').indexOf(0), 100);
});

t.test('a scenario that finds too few devices is refused by its place', async (t) => {
  const refused = (all: FleetScenario[]) => () => whoSuffers(all, images(10), '');
  t.throws(refused([shipped('dns-gone', { devices: ['valve-*'] })]), {
    code: 'SCENARIO_UNFIT',
    message: /^scenarios\.0: .*dns-gone.*no device/,
  });
  t.throws(refused([shipped('dns-gone', { share: 0.6 }), shipped('hub-away', { share: 0.6 })]), {
    code: 'SCENARIO_UNFIT',
    message: /^scenarios\.1: .*hub-away.*seen "4 .*expected 6 of 10/,
  });
});

t.test('a day lasts at least as long as its faults and the waits that they bring', async (t) => {
  const least = (name: string): number => leastSeconds(shipped(name).scenario);
  t.strictSame(
    ['good-day', 'dns-gone', 'never-enrolled', 'registration-hangs', 'mtu-black-hole', 'enrolled-late', 'link-drops'].map(least),
    [0, 1_200, 3_601, 130, 360, 300, 0],
  );
});

t.test('a fleet waits for its bad days, or refuses those that it cannot wait for', async (t) => {
  const dir = t.testdir({
    'own.yaml':
      'version: 1\nname: own\nfaults: [{ when: start, fault: dps, answer: unreachable, forSeconds: 30 }]\nexpect: { state: running, dpsCalls: [1, 9] }\n',
    'dns-gone.yaml': 'version: 1\nname: dns-gone\nfaults: []\nexpect: { state: running, dpsCalls: 1 }\n',
    'wrong.yaml': 'version: 1\nname: wrong\nfaults: [{ when: start, fault: sulks }]\nexpect: { state: running, dpsCalls: 1 }\n',
  });
  const spec = (text: string) => parseFleetSpec(`version: 1\nimages: a\n${text}`, `${dir}/fleet.yaml`);
  t.match(spec('scenarios: [{ scenario: ./own.yaml, share: 0.5 }]'), {
    giveUpAfterSeconds: 630,
    scenarios: [{ share: 0.5, scenario: { name: 'own', faults: [{ forSeconds: 30 }] } }],
  });
  t.equal(spec('scenarios: [{ scenario: dns-gone }]').giveUpAfterSeconds, 1_800);
  t.equal(spec('').giveUpAfterSeconds, 600);
  const wrong = (text: string, expected: { code?: string; message: RegExp }): void => {
    t.throws(() => spec(text), expected, text);
  };
  wrong('giveUpAfterSeconds: 600\nscenarios: [{ scenario: link-drops }, { scenario: dns-gone }]', {
    code: 'SCENARIO_UNFIT',
    message: /scenarios\.1: the scenario dns-gone cannot end.*seen "giveUpAfterSeconds: 600.*more than 1200/,
  });
  wrong('scenarios: [{ scenario: no-such-day }]', { message: /fleet\.yaml:\d+:25 scenarios\.0\.scenario: there is no such scenario/ });
  wrong('scenarios: [{ scenario: ./wrong.yaml }]', { code: 'BAD_CONFIG', message: /wrong\.yaml:3/ });
  wrong('scenarios: [{ scenario: ./gone.yaml }]', {
    code: 'BAD_CONFIG',
    message: /fleet\.yaml:\d+:25 scenarios\.0\.scenario: .*cannot be read \(ENOENT\).*seen "\.\/gone\.yaml"; expected/,
  });
  wrong('scenarios: [{ scenario: link-drops, region: mars }]', { code: 'SCENARIO_UNFIT', message: /mars/ });
  wrong('scenarios: [{ scenario: dns-gone }, { scenario: ./dns-gone.yaml }]', { code: 'SCENARIO_UNFIT', message: /one name.*dns-gone/ });
  wrong('scenarios: [{ scenario: link-drops, share: 0 }]', { code: 'FLEET_SPEC', message: /scenarios\.0\.share/ });
});
