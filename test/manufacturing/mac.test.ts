import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labelSheets } from '@zerotouch/manufacturing/labels/labels';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { planBatch } from '@zerotouch/manufacturing/plan';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t from 'tap';
import { burn, manifestIn } from './workbench.js';

const specOf = (mac: string, count = 3): string =>
  `version: 1\nbatch: macs\ngroups:\n  - { enrolmentGroup: k, attestation: symmetric-key, registrationId: "k-{serial}", serial: { count: ${count} }, mac: ${mac} }\n`;
const macsOf = (out: string) => manifestIn(out).devices.map(({ mac }) => mac);

t.test('addresses that run on, that are listed, and those of a CSV come to ledger, manifest and labels', async (t) => {
  const dir = t.testdir();
  writeFileSync(
    join(dir, 'macs.csv'),
    '﻿serial,mac\n# the first reel\n000003, 24-0A-C4-FF-00-03\n\n000001,240ac4ff0001\nk-000002,"24:0a:c4:ff:00:02"\n',
  );
  for (const [name, mac, expected] of [
    ['start', '{ start: 24:0A:C4:00:00:FE }', ['24:0a:c4:00:00:fe', '24:0a:c4:00:00:ff', '24:0a:c4:00:01:00']],
    ['step', '{ start: 24:0a:c4:00:00:f8, step: 4 }', ['24:0a:c4:00:00:f8', '24:0a:c4:00:00:fc', '24:0a:c4:00:01:00']],
    [
      'list',
      '{ list: [24-0a-c4-00-00-09, "240ac4000001", 24:0a:c4:00:00:05] }',
      ['24:0a:c4:00:00:09', '24:0a:c4:00:00:01', '24:0a:c4:00:00:05'],
    ],
    ['csv', `{ csv: ${join(dir, 'macs.csv')} }`, ['24:0a:c4:ff:00:01', '24:0a:c4:ff:00:02', '24:0a:c4:ff:00:03']],
  ] as const) {
    const out = join(dir, name);
    t.match(await burn(specOf(mac), out), { burnt: 3, failed: 0 }, name);
    t.strictSame(macsOf(out), expected, name);
    const ledger = await openLedger(`sqlite:${join(out, 'ledger.db')}`);
    t.equal((await ledger.device('k-000001'))?.mac, expected[0]?.replaceAll(':', ''));
    await ledger.close();
    t.match(await burn(specOf(mac), out, { resume: true }), { burnt: 0, skipped: 3 }, `${name}, resumed`);
  }
  const sheets = [];
  for await (const sheet of labelSheets(manifestIn(join(dir, 'start')).devices, { symbol: 'qr' })) sheets.push(sheet);
  t.match(sheets.join(''), />MAC 24:0a:c4:00:00:fe</);
});

t.test('an address that another batch has keeps the whole batch out', async (t) => {
  const dir = t.testdir();
  const ledger = await openLedger(`sqlite:${join(dir, 'ledger.db')}`);
  t.teardown(() => ledger.close());
  await burn(specOf('{ start: 24:0a:c4:00:00:01 }'), join(dir, 'a'), { ledger });
  const second = specOf('{ start: "240AC4000003" }')
    .replace('batch: macs', 'batch: two')
    .replaceAll('k-', 'm-')
    .replace('count: 3', 'start: 7, count: 3');
  await t.rejects(burn(second, join(dir, 'b'), { ledger }), { code: 'LEDGER_DUPLICATE', seen: /k-000003/ });
  t.equal(await ledger.batch('two'), undefined);
});

t.test('what an address cannot be', async (t) => {
  for (const [mac, message] of [
    ['{ start: 24:0a:c4:00:00 }', /six bytes/],
    ['{ start: 24:0a:c4:00-00:01 }', /six bytes/],
    ['{ start: 01:00:5e:00:00:01 }', /first byte is even/],
    ['{ start: fe:ff:ff:ff:ff:fe, step: 0 }', /at least 1/],
    ['{ start: 24:0a:c4:00:00:01, csv: x.csv }', /exactly one of/],
    ['{ step: 2, list: [24:0a:c4:00:00:01] }', /step only beside start/],
    ['{ list: [24:0a:c4:00:00:01] }', /not as long as the group/],
    ['{ list: [24:0a:c4:00:00:01, 24:0a:c4:00:00:02, 24-0A-C4-00-00-01] }', /used twice/],
  ] as const)
    t.throws(() => parseSpec(specOf(mac), 'b.yaml'), { code: 'SPEC_INVALID', message }, mac);
  const more =
    '  - { enrolmentGroup: l, attestation: symmetric-key, registrationId: "l-{serial}", serial: { start: 9, count: 2 }, mac: MAC }\n';
  for (const [second, clash] of [
    ['{ start: 24:0a:c4:00:00:03 }', true],
    ['{ start: 24:0a:c4:00:00:04 }', false],
    ['{ list: [24:0a:c4:00:00:08, 24:0a:c4:00:00:02] }', true],
  ] as const) {
    const plan = () => planBatch(parseSpec(specOf('{ start: 24:0a:c4:00:00:01 }') + more.replace('MAC', second), 'b.yaml'));
    if (clash) t.throws(plan, { code: 'SPEC_INVALID', message: /used twice/ }, second);
    else t.doesNotThrow(plan, second);
  }
  const dir = t.testdir();
  const path = join(dir, 'macs.csv');
  for (const [text, fault] of [
    ['000001,24:0a:c4:00:00:01\n000002,24:0a:c4:00:00:02\n', { message: /no MAC address/, expected: /k-000003/ }],
    ['000001,24:0a:c4:00:00:01\n000001,24:0a:c4:00:00:02\n', { where: `${path}:2`, message: /listed twice/ }],
    ['000001,24:0a:c4:00:00:01\n000002,24-0A-C4-00-00-01\n', { where: `${path}:2`, message: /has this address/ }],
    ['000001,24:0a:c4:00:00\n', { where: `${path}:1`, message: /not the MAC address/ }],
    ['000001,25:0a:c4:00:00:01\n', { where: `${path}:1`, message: /not the MAC address/ }],
    ['"000001,24:0a\n', { message: /no CSV/ }],
  ] as const) {
    writeFileSync(path, text);
    await t.rejects(burn(specOf(`{ csv: ${path} }`), join(dir, 'out')), { code: 'MAC_INVALID', ...fault }, text);
    t.notOk(existsSync(join(dir, 'out')));
  }
  await t.rejects(burn(specOf(`{ csv: ${join(dir, 'none.csv')} }`), join(dir, 'out')), { code: 'MAC_INVALID', message: /no such file/ });
  await t.rejects(burn(specOf(`{ csv: ${dir} }`), join(dir, 'out')), { code: 'MAC_INVALID', where: dir, seen: 'EISDIR' });
});
