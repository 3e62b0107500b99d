import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { type Ledger, openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { eventsOf } from '@zerotouch/manufacturing/rework/events';
import { type ReplaceOptions, replaceAuthority } from '@zerotouch/manufacturing/rework/replace-authority';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t, { type Test } from 'tap';
import { folderInMemory } from '../support/folder-in-memory.js';
import { found } from './audit/batch-cases.js';
import { powerThatFails } from './faulty-power.js';
import { burn, enrolmentsIn, imageOf } from './workbench.js';

const SPEC = `version: 1
batch: leaky
authority: { directory: CA, levels: [root, line, batch] }
groups:
  - { enrolmentGroup: a, attestation: x509, registrationId: "a-{serial}", serial: { count: 3 } }
  - { enrolmentGroup: b, attestation: x509, registrationId: "b-{serial}", serial: { start: 4, count: 1 } }
  - { enrolmentGroup: k, attestation: symmetric-key, registrationId: "k-{serial}", serial: { start: 5, count: 1 } }
`;
const author = { station: 'desk' };
const fingerprint = (folder: string, stem: string) => new X509Certificate(readFileSync(join(folder, `${stem}.pem`))).fingerprint256;
const stems = ['batch-leaky@a', 'batch-leaky@b', 'line-a', 'line-b', 'root'];

interface Bench {
  out: string;
  ca: string;
  text: string;
  ledger: Ledger;
  options: Omit<ReplaceOptions, 'level'>;
}

async function burnt(t: Test): Promise<Bench> {
  const dir = folderInMemory(t);
  const [out, ca] = [join(dir, 'out'), join(dir, 'ca')];
  const text = SPEC.replace('CA', ca);
  const ledger = await openLedger(`sqlite:${join(dir, 'ledger.db')}`);
  t.teardown(() => ledger.close());
  await burn(text, out, { ledger });
  const options = {
    spec: parseSpec(text, 'batch.yaml'),
    out,
    ledger,
    reason: 'laptop stolen',
    author,
    clock: systemClock,
    entropy: systemEntropy,
  };
  return { out, ca, text, ledger, options };
}

const printsIn = (ca: string) => Object.fromEntries(stems.map((stem) => [stem, fingerprint(ca, stem)]));

for (const [level, group, changed, retired] of [
  ['batch', 'a', ['batch-leaky@a'], 3],
  ['line', 'A', ['batch-leaky@a', 'line-a'], 3],
  ['line', undefined, ['batch-leaky@a', 'batch-leaky@b', 'line-a', 'line-b'], 4],
  ['root', 'a', stems, 4],
] as const) {
  t.test(`the ${level} of ${group ?? 'all groups'} is replaced, with all below it and nothing else`, async (t) => {
    const { out, ca, text, ledger, options } = await burnt(t);
    const before = printsIn(ca);
    const signing = JSON.stringify(enrolmentsIn(out));
    const done = await replaceAuthority({ ...options, level, group });
    t.match(done, { retired, fielded: 0, held: 0 });
    t.strictSame([...done.replaced].sort(), changed.map((stem) => before[stem]).sort());
    const after = printsIn(ca);
    t.strictSame(
      stems.filter((stem) => after[stem] !== before[stem]),
      changed,
    );
    t.equal(
      readdirSync(join(ca, 'replaced')).filter((name) => name.endsWith('.key')).length,
      changed.length + (level === 'root' ? 1 : 0),
      'with their keys',
    );
    t.equal(JSON.stringify(enrolmentsIn(out)) === signing, level === 'batch', 'the groups are for the lines');
    t.match(
      (await ledger.events('leaky')).map(({ kind, reason, station }) => `${kind} ${reason} ${station}`),
      ['authority-replacing laptop stolen desk', 'authority-replaced laptop stolen desk'],
    );
    t.match(await burn(text, out, { ledger, resume: true }), { burnt: retired, skipped: 5 - retired, failed: 0 });
    t.strictSame(await found(out, { ledger: ledger.address, spec: options.spec }), [], 'the batch is whole again');
    const { secureCert } = imageOf(out, 'a-000001');
    for (const stem of changed) t.notMatch(`${secureCert?.deviceCertificate}${secureCert?.caCertificate}`, before[stem] ?? '');
    t.strictSame(
      (await ledger.identities('a-000001')).map(({ status }) => status),
      ['retired', 'burnt'],
    );
    t.ok((await eventsOf(ledger, 'leaky')).replaced.has(before[changed[0] ?? ''] ?? ''));
  });
}

t.test('what was shipped stays out, what came back waits, and the audit tells whose CA leaked', async (t) => {
  const { out, text, ledger, options } = await burnt(t);
  await ledger.transition('a-000001', 'shipped', 'r', author);
  await ledger.transition('a-000002', 'quarantined', 'r', author);
  t.match(await replaceAuthority({ ...options, level: 'line', group: 'a' }), { retired: 1, fielded: 1, held: 1 });
  t.match(await burn(text, out, { ledger, resume: true }), { burnt: 1, failed: 0 });
  t.strictSame(await ledger.counts('leaky'), { verified: 3, shipped: 1, quarantined: 1 });
  const told = (await found(out, { ledger: ledger.address })).map(({ image, code }) => `${image?.slice(out.length + 1) ?? ''} ${code}`);
  t.ok(told.includes('images/a-000001.bin AUTHORITY_LEAKED'));
  t.notOk(told.includes('images/a-000003.bin AUTHORITY_LEAKED'));
  t.notOk(told.includes('images/b-000004.bin AUTHORITY_LEAKED'));
});

t.test('a second batch under the same CA finds the new one', async (t) => {
  const { out, ca, text, ledger, options } = await burnt(t);
  const secondText = text
    .replace('batch: leaky', 'batch: second')
    .replaceAll('{serial}', 's{serial}')
    .replaceAll('serial: {', 'serial: { prefix: s,');
  const second = { ...options, spec: parseSpec(secondText, 'second.yaml'), out: `${out}-second` };
  await burn(secondText, second.out, { ledger });
  await replaceAuthority({ ...options, level: 'line', group: 'a' });
  const made = fingerprint(ca, 'line-a');
  await t.rejects(burn(secondText, second.out, { ledger, resume: true }), { code: 'AUTHORITY_INVALID' }, 'it is not burnt on unnoticed');
  t.match(await replaceAuthority({ ...second, level: 'line', group: 'a' }), { retired: 3 });
  t.equal(fingerprint(ca, 'line-a'), made, 'one new line for both');
  for (const [one, where] of [
    [text, out],
    [secondText, second.out],
  ] as const)
    t.match(await burn(one, where, { ledger, resume: true }), { burnt: 3, failed: 0 });
});

t.test('cut off at any point, the same again ends it', async (t) => {
  const first = await burnt(t);
  const count = async (bench: Bench, at: number) => {
    const cut = powerThatFails(at, () => {
      throw new Error('the power is gone');
    });
    const ledger = await openLedger(bench.ledger.address, { watch: cut.watch, patienceMs: 0 }).catch((error: unknown) => error);
    if (ledger instanceof Error) return cut.passed;
    await replaceAuthority({ ...bench.options, ledger: ledger as Ledger, files: cut.files, level: 'root' }).catch(() => {});
    await (ledger as Ledger).close();
    return cut.passed;
  };
  const points = (await count(first, 0)).length;
  t.comment(`${points} points`);
  for (let at = 3; at < points; at += 13) {
    const bench = await burnt(t);
    const before = printsIn(bench.ca);
    const passed = await count(bench, at);
    const name = `point ${at}, ${passed.at(-1)}`;
    // Whoever was cut off is gone, also where all that was left to do was to sign off.
    const processes = { self: { host: 'line', pid: 1 }, gone: () => true };
    const finished = (await bench.ledger.events('leaky')).some(({ kind }) => kind === 'authority-replaced');
    if (!finished) {
      const again = await replaceAuthority({ ...bench.options, processes, level: 'root' });
      t.strictSame([...again.replaced].sort(), stems.map((stem) => before[stem]).sort(), name);
    }
    t.match(await burn(bench.text, bench.out, { ledger: bench.ledger, resume: true, processes }), { failed: 0, aborted: false }, name);
    t.strictSame(await found(bench.out, { ledger: bench.ledger.address, spec: bench.options.spec }), [], name);
    t.notOk(
      Object.values(printsIn(bench.ca)).some((print) => Object.values(before).includes(print)),
      name,
    );
  }
});

t.test('what cannot be replaced', async (t) => {
  const { ledger, options, ca } = await burnt(t);
  const before = readdirSync(ca);
  for (const [wish, fault] of [
    [
      { level: 'line', group: 'nobody' },
      { code: 'LEDGER_UNKNOWN', seen: 'line of group nobody' },
    ],
    [{ level: 'line', group: 'k' }, { code: 'LEDGER_UNKNOWN' }],
    [
      { level: 'line', spec: { ...options.spec, batch: 'other' } },
      { code: 'LEDGER_UNKNOWN', seen: 'other' },
    ],
  ] as const)
    await t.rejects(replaceAuthority({ ...options, ...wish }), fault);
  const others = { batch: 'leaky', session: 'f'.repeat(32), author, processes: { self: { host: 'h', pid: 1 }, gone: () => false } };
  await ledger.transition('a-000001', 'planned', 'r', author);
  const book = ledger.station(others);
  await book.open();
  await book.claim(1);
  await t.rejects(replaceAuthority({ ...options, level: 'line' }), { code: 'LEDGER_STATE', seen: '1 devices in hand' });
  await book.close();
  t.strictSame(readdirSync(ca), before);
  t.strictSame(await ledger.events('leaky'), []);
});
