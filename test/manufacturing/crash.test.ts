import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemFiles } from '@zerotouch/manufacturing/files';
import { type Ledger, openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import type { Processes } from '@zerotouch/manufacturing/ledger/sessions';
import t from 'tap';
import { bareNode } from '../support/bare-node.js';
import { folderInMemory } from '../support/folder-in-memory.js';
import { type Power, powerThatFails } from './faulty-power.js';
import { batchProblems } from './whole-batch.js';
import { burn } from './workbench.js';

/** A device that certificates, one that a group's key and one that its own keys identify. */
const SPEC = `version: 1
batch: small
groups:
  - { enrolmentGroup: x, attestation: x509, registrationId: "x-{serial}", serial: { count: 1 } }
  - { enrolmentGroup: k, attestation: symmetric-key, registrationId: "k-{serial}", serial: { start: 11, count: 1 } }
  - { enrolment: individual, attestation: symmetric-key, registrationId: "ki-{serial}", serial: { start: 31, count: 1 } }
`;
const DEVICES = 3;

const place = folderInMemory(t);
let runs = 0;

/** Processes of one machine of which only the newest lives. */
function onlyOne(): Processes {
  const pid = ++runs;
  return { self: { host: 'line', pid }, gone: (other) => other.pid !== pid };
}

interface Place {
  out: string;
  address: string;
}

function newPlace(name: string): Place {
  const folder = join(place, name);
  mkdirSync(folder);
  return { out: join(folder, 'batch'), address: `sqlite:${join(folder, 'ledger.db')}` };
}

/** Burns until the power goes; what is left is what a process that was killed leaves. */
async function burnWith({ out, address }: Place, { files, watch }: Power): Promise<unknown> {
  const ledger = await openLedger(address, { files, watch, patienceMs: 0 }).catch((error: unknown) => error);
  if (ledger instanceof Error) return ledger;
  const outcome = await burn(SPEC, out, { ledger: ledger as Ledger, files, resume: true, processes: onlyOne() }).catch(
    (error: unknown) => error,
  );
  await (ledger as Ledger).close();
  return outcome;
}

async function resumed({ out, address }: Place, spec = SPEC, count = DEVICES): Promise<{ summary: unknown; problems: string[] }> {
  const ledger = await openLedger(address);
  try {
    const summary = await burn(spec, out, { ledger, resume: true, processes: onlyOne() });
    return { summary, problems: await batchProblems(out, ledger, 'small', count) };
  } finally {
    await ledger.close();
  }
}

const power = (at: number): Power =>
  powerThatFails(at, () => {
    throw new Error('the power is gone');
  });

t.test('killed at every write, sync, rename, removal and commit, a batch resumes whole', async (t) => {
  const whole = power(0);
  await burnWith(newPlace('whole'), whole);
  const points = whole.passed;
  t.comment(`${points.length} points at which a burn of ${DEVICES} devices can be cut off`);
  for (const step of [
    'create',
    'write',
    'append',
    'sync',
    'rename',
    'remove',
    'before plan',
    'after issue',
    'before verified',
    'after batch complete',
  ]) {
    t.ok(
      points.some((name) => name.startsWith(step)),
      `there is a point at ${step}`,
    );
  }
  for (let at = 1; at <= points.length; at++) {
    const where = newPlace(`at-${at}`);
    const cut = power(at);
    const outcome = await burnWith(where, cut);
    const name = `point ${at}, ${cut.passed.at(-1)}`;
    // Whoever cannot sign off any more is found out to be gone.
    t.match(outcome, name.endsWith('sign-off') ? { burnt: DEVICES } : { message: /the power is gone/ }, name);
    const { summary, problems } = await resumed(where);
    t.match(summary, { failed: 0, aborted: false }, name);
    t.strictSame(problems, [], name);
    const { burnt, skipped } = summary as { burnt: number; skipped: number };
    t.equal(burnt + skipped, DEVICES, name);
  }
});

t.test('cut off twice, also while it resumes', async (t) => {
  for (const [first, second] of [
    [70, 12],
    [90, 30],
    [95, 45],
    [60, 60],
  ] as const) {
    const where = newPlace(`twice-${first}-${second}`);
    await burnWith(where, power(first));
    await burnWith(where, power(second));
    const { summary, problems } = await resumed(where);
    t.match(summary, { failed: 0 });
    t.strictSame(problems, [], `${first}, then ${second}`);
  }
});

t.test('a disk that is full fails devices, and resumes whole once there is room', async (t) => {
  for (const room of [0, 200, 3_000, 6_000, 140_000, 300_000, 700_000]) {
    const where = newPlace(`full-${room}`);
    let left = room;
    const spend = (bytes: Uint8Array): void => {
      left -= bytes.length;
      if (left < 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
    };
    const files: typeof systemFiles = {
      ...systemFiles,
      async create(path, bytes, mode) {
        await systemFiles.create(path, bytes.subarray(0, Math.max(0, left)), mode);
        spend(bytes);
      },
      async append(path, bytes) {
        spend(bytes);
        await systemFiles.append(path, bytes);
      },
    };
    const outcome = await burnWith(where, { files, watch: () => {}, passed: [] });
    if (left < 0)
      t.match(
        outcome,
        outcome instanceof Error ? { code: 'OUT_UNUSABLE', seen: 'ENOSPC' } : { failures: [{ reason: /ENOSPC/ }] },
        `${room}`,
      );
    const { problems } = await resumed(where);
    t.strictSame(problems, [], `${room} bytes`);
  }
});

t.test('killed for real', async (t) => {
  const child = fileURLToPath(new URL('burn-child.js', import.meta.url));
  const spec = join(place, 'spec.yaml');
  writeFileSync(spec, SPEC);
  for (const at of [25, 60, 90]) {
    const where = newPlace(`killed-${at}`);
    const killed = spawnSync(...bareNode(child, spec, where.out, where.address, String(at)), { encoding: 'utf8' });
    t.equal(killed.signal, 'SIGKILL', killed.stderr);
    const ledger = await openLedger(where.address);
    // Here it is the system that tells that the other process is gone.
    const { burnt, skipped, failed } = await burn(SPEC, where.out, { ledger, resume: true });
    t.strictSame([burnt + skipped, failed], [DEVICES, 0]);
    t.strictSame(await batchProblems(where.out, ledger, 'small', DEVICES), [], `point ${at}`);
    await ledger.close();
  }
});

t.test('what was burnt stays: a finished batch resumes to nothing, a lost image is told', async (t) => {
  const where = newPlace('finished');
  t.match((await resumed(where)).summary, { burnt: DEVICES, skipped: 0, failed: 0 });
  t.match(await resumed(where), { summary: { burnt: 0, skipped: DEVICES, failed: 0, aborted: false }, problems: [] });
  rmSync(join(where.out, 'images', 'k-000011.bin'));
  const lost = await burn(SPEC, where.out, { ledger: await openLedger(where.address), resume: true, processes: onlyOne() });
  t.match(lost, { burnt: 0, skipped: DEVICES - 1, failed: 1, failures: [{ registrationId: 'k-000011', reason: /missing/ }] });
});

t.test('a returned device gets another identity, and its old one is never used again', async (t) => {
  const where = newPlace('rework');
  await resumed(where);
  const ledger = await openLedger(where.address);
  t.teardown(() => ledger.close());
  const before = (await ledger.device('x-000001'))?.identity;
  await ledger.transition('x-000001', 'planned', 'broken flash', { station: 'rework' });
  t.match(await ledger.batch('small'), { state: 'ready' });
  t.match(await burn(SPEC, where.out, { ledger, resume: true, processes: onlyOne() }), { burnt: 1, skipped: DEVICES - 1, failed: 0 });
  const after = (await ledger.device('x-000001'))?.identity;
  t.not(after?.certificateSerial, before?.certificateSerial);
  t.match(await ledger.identities('x-000001'), [
    { status: 'retired', id: before?.id },
    { status: 'burnt', id: after?.id },
  ]);
});

t.test('what a resume refuses', async (t) => {
  const where = newPlace('refused');
  await resumed(where);
  const ledger = await openLedger(where.address);
  t.teardown(() => ledger.close());
  const again = (spec: string, out = where.out, resume = true) => burn(spec, out, { ledger, resume, processes: onlyOne() });
  await t.rejects(again(SPEC.replace('count: 1', 'count: 2')), { code: 'BATCH_DIFFERS', seen: /small, 3 devices/ });
  await t.rejects(again(SPEC, join(place, 'elsewhere')), { code: 'BATCH_DIFFERS', where: join(place, 'elsewhere') });
  await t.rejects(again(SPEC, join(place, 'new'), false), { code: 'OUT_OCCUPIED', where: ledger.where, remedy: /--resume/ });
  await t.rejects(again(SPEC.replace('batch: small', 'batch: other')), { code: 'OUT_OCCUPIED', where: where.out });
  await t.rejects(again(SPEC.replace('batch: small', 'batch: other'), join(place, 'third')), {
    code: 'LEDGER_DUPLICATE',
    seen: /x-000001/,
  });
});
