import { resolve } from 'node:path';
import { registrationIdProblem } from '@zerotouch/azure-wire/ids';
import { isFault } from '@zerotouch/foundation/fault';
import { planBatch } from '@zerotouch/manufacturing/batch';
import { SpecFault } from '@zerotouch/manufacturing/faults';
import { batchSpecJsonSchema, parseSpec } from '@zerotouch/manufacturing/spec';
import fc from 'fast-check';
import t from 'tap';

const SMALLEST = `version: 1
batch: thermo-2026-11
groups:
  - enrolmentGroup: thermo-x509
    attestation: x509
    registrationId: thermo-{serial}
    serial: { count: 3 }
    initialTwin: { tags: { line: 7 }, desired: { telemetryIntervalSeconds: 10 } }
`;

const another = (lines: string) => `${SMALLEST}  - attestation: symmetric-key\n    ${lines.split('\n').join('\n    ')}\n`;

function faultOf(text: string, fileName = 'batch.yaml'): SpecFault {
  try {
    parseSpec(text, fileName);
  } catch (error) {
    if (error instanceof SpecFault) return error;
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

t.test('the smallest spec names its devices and defaults to the local cloud', async (t) => {
  const spec = parseSpec(SMALLEST, 'batch.yaml');
  t.match(spec, { idScope: '0ne00000A1B', endpoint: 'global.azure-devices-provisioning.net' });
  const { devices, warnings } = planBatch(spec);
  t.strictSame(
    devices.map(({ registrationId, serial }) => [registrationId, serial]),
    [
      ['thermo-000001', '000001'],
      ['thermo-000002', '000002'],
      ['thermo-000003', '000003'],
    ],
  );
  t.strictSame(warnings, []);
});

t.test('JSON is read like YAML, tabs and all', async (t) => {
  const spec = parseSpec(SMALLEST, 'batch.yaml');
  t.strictSame(parseSpec(JSON.stringify(spec, undefined, '\t'), 'batch.json'), spec);
});

t.test('a relative authority folder starts at the spec', async (t) => {
  const spec = parseSpec(`${SMALLEST}authority: { directory: ../ca }\n`, 'specs/a/batch.yaml');
  t.equal(spec.authority?.directory, resolve('specs/ca'));
});

t.test('every mistake is told with its line and field', async (t) => {
  const cases: [what: string, text: string, field: string, line: number, expected: RegExp][] = [
    ['an unknown key', `${SMALLEST}extra: 1\n`, 'extra', 9, /one of version, batch/],
    [
      'an unknown key inside',
      SMALLEST.replace('count: 3', 'cuont: 3, count: 3'),
      'groups[0].serial.cuont',
      7,
      /start, count, digits, prefix/,
    ],
    ['another version', SMALLEST.replace('version: 1', 'version: 2'), 'version', 1, /1/],
    ['a missing field', SMALLEST.replace('    attestation: x509\n', ''), 'groups[0].attestation', 4, /"x509" or "symmetric-key"/],
    ['no device', SMALLEST.replace('count: 3', 'count: 0'), 'groups[0].serial.count', 7, /at least 1/],
    ['a number for a name', SMALLEST.replace('thermo-2026-11', '20261101'), 'batch', 2, /a string/],
    ['a placeholder without quotes', SMALLEST.replace('thermo-{serial}', '{serial}'), 'groups[0].registrationId', 6, /a string/],
    ['an unknown placeholder', SMALLEST.replace('{serial}', '{mac}'), 'groups[0].registrationId', 6, /\{serial\}/],
    ['one id for all', SMALLEST.replace('thermo-{serial}', 'thermo'), 'groups[0].registrationId', 6, /\{serial\} in it/],
    ['"CN=" in the id', SMALLEST.replace('thermo-{', 'CN=thermo-{'), 'groups[0].registrationId', 6, /common name alone/],
    ['a slash in the id', SMALLEST.replace('thermo-{', 'thermo/{'), 'groups[0].registrationId', 6, /letters, digits and/],
    ['a backslash in the id', SMALLEST.replace('thermo-{', 'thermo\\{'), 'groups[0].registrationId', 6, /letters, digits and/],
    ['an empty id', SMALLEST.replace('thermo-{serial}', '""').replace('count: 3', 'count: 1'), 'groups[0].registrationId', 6, /1 to 128/],
    ['@ in the group', SMALLEST.replace('thermo-x509', 'thermo@x509'), 'groups[0].enrolmentGroup', 4, /letters, digits and/],
    [
      'no group',
      SMALLEST.replace('enrolmentGroup: thermo-x509', 'enrolment: group'),
      'groups[0].enrolmentGroup',
      4,
      /the id of the enrolment group/,
    ],
    [
      'a group for individuals',
      SMALLEST.replace('    attest', '    enrolment: individual\n    attest'),
      'groups[0].enrolmentGroup',
      4,
      /no enrolmentGroup/,
    ],
    ['a name too long for a certificate', SMALLEST.replace('thermo-{', `${'a'.repeat(59)}{`), 'groups[0].registrationId', 6, /at most 64/],
    ['digits too few', SMALLEST.replace('count: 3', 'start: 8, count: 3, digits: 1'), 'groups[0].serial.digits', 7, /at least 2/],
    ['the ID scope of nobody', `${SMALLEST}idScope: thermo\n`, 'idScope', 9, /0ne/],
    ['an address as endpoint', `${SMALLEST}endpoint: https://dps.example.com\n`, 'endpoint', 9, /host name/],
    ['a twin key with a dot', SMALLEST.replace('line: 7', 'li.ne: 7'), 'groups[0].initialTwin.tags', 8, /without "\."/],
    ['a twin value that JSON has not', SMALLEST.replace('line: 7', 'line: .nan'), 'groups[0].initialTwin.tags.line', 8, /JSON value/],
    ['static without a hub', `${SMALLEST}    allocationPolicy: static\n`, 'groups[0].iotHubs', 4, /exactly one hub/],
    [
      'certificates for keys',
      SMALLEST.replace('attestation: x509', 'attestation: symmetric-key\n    validity: { days: 9 }'),
      'groups[0].validity',
      6,
      /only beside/,
    ],
    ['certificates for longer than their line', `${SMALLEST}    validity: { days: 9000 }\n`, 'groups[0].validity.days', 9, /at most 5475/],
    ['nothing', '', '', 1, /an object/],
  ];
  for (const [what, text, field, line, expected] of cases) {
    const fault = faultOf(text);
    t.equal(fault.code, 'SPEC_INVALID', what);
    t.equal(fault.where, `batch.yaml:${line}:${fault.problems[0]?.column}${field === '' ? '' : ` ${field}`}`, what);
    t.match(fault.expected, expected, what);
  }
});

t.test('the column is that of the field', async (t) => {
  t.equal(faultOf(SMALLEST.replace('count: 3', 'start: 1, count: x')).where, 'batch.yaml:7:25 groups[0].serial.count');
});

t.test('all problems are kept, the first in the file is told', async (t) => {
  const fault = faultOf(SMALLEST.replace('count: 3', 'cuont: 3').replace('version: 1', 'version: 7'));
  t.match(fault.message, /^batch\.yaml:1:1 version: .*first of 3 problems/);
  t.strictSame(
    fault.problems.map(({ line }) => line),
    [1, 7, 7],
  );
});

t.test('ids and serials that a batch would use twice', async (t) => {
  const group = 'enrolmentGroup: thermo-keys\n';
  t.match(faultOf(another(`${group}registrationId: THERMO-{serial}\nserial: { start: 3, count: 2 }`)), {
    where: /groups\[1\]\.registrationId$/,
    seen: 'THERMO-000003',
    expected: /without regard to case; groups\[0\]/,
  });
  t.match(faultOf(another(`${group}registrationId: keys-{serial}\nserial: { start: 2, count: 2 }`)), {
    where: /groups\[1\]\.serial$/,
    seen: '000002',
  });
  t.match(faultOf(another('enrolmentGroup: Thermo-X509\nregistrationId: keys-{serial}\nserial: { start: 4, count: 2 }')), {
    where: /groups\[1\]\.enrolmentGroup$/,
    seen: 'Thermo-X509',
  });
  const apart = parseSpec(another(`${group}registrationId: keys-{serial}\nserial: { prefix: k, count: 2 }`), 'batch.yaml');
  t.strictSame(planBatch(apart).devices.at(-1)?.registrationId, 'keys-k000002');
});

t.test('what no YAML parser takes', async (t) => {
  for (const [text, where] of [
    ['version: 1\nversion: 1\n', 'batch.yaml:2:1'],
    ['version: [1\n', 'batch.yaml:2:1'],
    ['a: *nowhere\n', 'batch.yaml'],
    ['version: 1\n---\nversion: 1\n', 'batch.yaml:2:1'],
  ] as const) {
    const fault = faultOf(text);
    t.equal(fault.code, 'SPEC_SYNTAX');
    t.equal(fault.where, where);
  }
});

t.test('what works and hurts later is a warning', async (t) => {
  const spec = parseSpec(
    SMALLEST.replaceAll('thermo-x509', 'Thermo').replace('thermo-{', 'T-{').concat('    validity: { days: 30 }\n'),
    'b.yaml',
  );
  t.match(planBatch(spec).warnings, [
    { code: 'UPPER_CASE_ID', where: 'groups[0].enrolmentGroup' },
    { code: 'UPPER_CASE_ID', where: 'groups[0].registrationId', message: /^T-000001 has upper-case letters/ },
    { code: 'SHORT_VALIDITY', where: 'groups[0].validity.days', message: /30 days/ },
  ]);
});

t.test('a spec made by code is held to the same rules', async (t) => {
  const spec = parseSpec(SMALLEST, 'batch.yaml');
  const wrong = { ...spec, groups: spec.groups.map((group) => ({ ...group, registrationId: 'a/{serial}' })) };
  t.throws(() => planBatch(wrong), { code: 'SPEC_INVALID', where: 'groups[0].registrationId' });
});

t.test('a batch too large is refused', async (t) => {
  const text = another('enrolmentGroup: k\nregistrationId: k-{serial}\nserial: { start: 4, count: 1000000, digits: 7 }');
  t.match(faultOf(text), { where: /groups$/, seen: 1_000_003, remedy: /split/ });
});

t.test('ids: whatever the template, a plan holds only ids that DPS takes, each once', async (t) => {
  const piece = fc.string({ unit: fc.constantFrom(...'abZ09-._:/@ ='), maxLength: 8 });
  const property = fc.property(piece, piece, fc.nat(200), fc.integer({ min: 1, max: 40 }), (before, after, start, count) => {
    const text = JSON.stringify({
      version: 1,
      batch: 'b',
      groups: [{ enrolmentGroup: 'g', attestation: 'x509', registrationId: `${before}{serial}${after}`, serial: { start, count } }],
    });
    try {
      const ids = planBatch(parseSpec(text, 'b.json')).devices.map((device) => device.registrationId);
      return ids.length === count && new Set(ids).size === count && ids.every((id) => registrationIdProblem(id) === undefined);
    } catch (error) {
      return isFault(error) && registrationIdProblem(`${before}000001${after}`) !== undefined;
    }
  });
  t.doesNotThrow(() => fc.assert(property));
});

t.test('the JSON Schema describes every field and refuses unknown ones', async (t) => {
  const nodes: Record<string, unknown>[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    if ('properties' in node && typeof node.properties === 'object') {
      nodes.push(node as Record<string, unknown>);
      for (const [name, property] of Object.entries(node.properties as Record<string, { description?: string }>)) {
        t.type(property.description, 'string', name);
      }
    }
    for (const member of Object.values(node)) visit(member);
  };
  visit(batchSpecJsonSchema());
  t.equal(nodes.length, 15);
  for (const node of nodes) t.equal(node.additionalProperties, false);
});
