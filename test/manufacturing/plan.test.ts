import { devicesIn, groupAt, planBatch } from '@zerotouch/manufacturing/plan';
import { type BatchSpec, parseSpec } from '@zerotouch/manufacturing/spec';
import fc from 'fast-check';
import t from 'tap';
import { MIXED, MIXED_IDS } from './workbench.js';

t.test('the plan can be had at once, one by one, and by position', async (t) => {
  const spec = parseSpec(MIXED, 'batch.yaml');
  const plan = planBatch(spec);
  t.equal(plan.total, MIXED_IDS.length);
  t.strictSame(
    plan.devices.map(({ registrationId }) => registrationId),
    MIXED_IDS,
  );
  t.strictSame([...devicesIn(spec)], plan.devices);
  t.ok(plan.devices.every(({ group }, position) => group === groupAt(spec, position)));
  t.throws(() => groupAt(spec, MIXED_IDS.length), RangeError);
});

/** Whether an id or a serial comes twice, found by writing all of them down. */
function hasTwice(spec: BatchSpec): boolean {
  const devices = [...devicesIn(spec)];
  const ids = new Set(devices.map(({ registrationId }) => registrationId.toLowerCase()));
  const serials = new Set(devices.map(({ serial }) => serial.toLowerCase()));
  return ids.size < devices.length || serials.size < devices.length;
}

t.test('what a batch would use twice is found without writing it all down', async (t) => {
  const template = fc.constantFrom('{serial}', 'a{serial}', 'A{serial}', 'a0{serial}', '{serial}{serial}', 'a{serial}0', 'a00');
  const group = fc.record({
    template,
    prefix: fc.constantFrom('', 'a', 'A', '0', '00', '1'),
    digits: fc.integer({ min: 2, max: 4 }),
    start: fc.integer({ min: 0, max: 30 }),
    count: fc.integer({ min: 1, max: 12 }),
  });
  const base = parseSpec(MIXED, 'batch.yaml');
  let twice = 0;
  const property = fc.property(fc.array(group, { minLength: 2, maxLength: 3 }), (groups) => {
    const spec: BatchSpec = {
      ...base,
      groups: groups.map(({ template: registrationId, count, ...serial }, index) => ({
        enrolment: 'group',
        enrolmentGroup: `g${index}`,
        attestation: 'symmetric-key',
        provisioningStatus: 'enabled',
        registrationId,
        serial: { ...serial, count: registrationId.includes('{serial}') ? count : 1 },
      })),
    };
    const expected = hasTwice(spec);
    if (expected) twice++;
    let refused = false;
    try {
      planBatch(spec);
    } catch (error) {
      refused = /is used twice/.test((error as Error).message);
    }
    return refused === expected;
  });
  fc.assert(property, { numRuns: 400 });
  t.ok(twice > 10 && twice < 390, `${twice} of 400 used something twice`);
});

t.test('a million devices are planned one by one', async (t) => {
  const groups = ['{ start: 1, count: 980000, digits: 7 }', '{ start: 980001, count: 20000, digits: 7 }'].map(
    (serial, index) => `  - { enrolmentGroup: g${index}, attestation: symmetric-key, registrationId: 'd-{serial}', serial: ${serial} }\n`,
  );
  const spec = parseSpec(`version: 1\nbatch: large\ngroups:\n${groups.join('')}`, 'batch.yaml');
  t.equal(planBatch(spec).total, 1_000_000);
  let last = '';
  for (const { registrationId } of devicesIn(spec)) last = registrationId;
  t.equal(last, 'd-1000000');
});
