import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import type { BurnEvent } from '@zerotouch/manufacturing/batch';
import { type Files, systemFiles } from '@zerotouch/manufacturing/files';
import t from 'tap';
import { burn, certified, enrolmentsIn, filesUnder, imageOf, MIXED, manifestIn, modeOf } from './workbench.js';

t.test('images of a batch that was cut off are not written over either', async (t) => {
  const out = t.testdir({ images: { 'x-000001.bin': 'half' } });
  await t.rejects(burn(certified(), out), { code: 'OUT_OCCUPIED', seen: /1 file/ });
  t.strictSame(readdirSync(out), ['images']);
});

t.test('the umask may be tight as well', async (t) => {
  // The folders are there: under such a umask even their owner could not enter new ones.
  const out = join(t.testdir({ out: { images: {}, ca: {} } }), 'out');
  const umask = process.umask(0o777);
  t.teardown(() => process.umask(umask));
  t.match(await burn(certified(), out), { burnt: 2, failed: 0 });
  process.umask(umask);
  t.equal(modeOf(join(out, 'images', 'x-000001.bin')), 0o600);
  t.equal(modeOf(join(out, 'manifest.jsonl')), 0o644);
});

t.test('an abort leaves what was burnt whole, with its manifest and enrolments', async (t) => {
  const out = join(t.testdir(), 'out');
  const controller = new AbortController();
  const onProgress = (event: BurnEvent) => {
    if (event.kind === 'burnt' && event.done === 5) controller.abort();
  };
  const text = MIXED.replace('start: 1, count: 3', 'start: 100, count: 200').replace('start: 31', 'start: 400');
  const summary = await burn(text, out, { onProgress, signal: controller.signal });
  t.equal(summary.aborted, true);
  t.equal(summary.failed, 0);
  t.ok(summary.burnt >= 5 && summary.burnt < 50, `${summary.burnt} burnt`);
  const manifest = manifestIn(out);
  t.strictSame(
    readdirSync(join(out, 'images')).sort(),
    manifest.devices.map(({ image }) => image.slice('images/'.length)),
  );
  for (const { registrationId } of manifest.devices) t.equal(imageOf(out, registrationId).factory.registrationId, registrationId);
  t.equal(enrolmentsIn(out).enrollmentGroups.length, 2);
  t.strictSame(enrolmentsIn(out).enrollments, []);
});

t.test('the group keys are on the disk before the first image', async (t) => {
  const out = join(t.testdir(), 'out');
  let seen: unknown;
  const files: Files = {
    ...systemFiles,
    async create(path, bytes, mode) {
      if (path.endsWith('.bin.tmp')) seen ??= enrolmentsIn(out).enrollmentGroups[1]?.attestation;
      await systemFiles.create(path, bytes, mode);
    },
  };
  await burn(MIXED, out, { files });
  t.match(seen, { type: 'symmetricKey', symmetricKey: { primaryKey: /=$/, secondaryKey: /=$/ } });
  t.strictSame(enrolmentsIn(out).enrollmentGroups[1]?.attestation, seen);
});

t.test('an image takes its name last: made, synced, read, renamed, and the folder synced', async (t) => {
  const out = join(t.testdir(), 'out');
  const steps: string[] = [];
  const noted = <T>(what: string, path: string, done: Promise<T>): Promise<T> => {
    if (path.includes('x-000001') || (path.endsWith('images') && steps.length > 0)) steps.push(`${what} ${path.slice(out.length + 1)}`);
    return done;
  };
  const files: Files = {
    ...systemFiles,
    create: (path, bytes, mode) => noted('create', path, systemFiles.create(path, bytes, mode)),
    sync: (path) => noted('sync', path, systemFiles.sync(path)),
    read: (path) => noted('read', path, systemFiles.read(path)),
    rename: (from, to) => noted('rename', to, systemFiles.rename(from, to)),
  };
  await burn(certified('', 1), out, { files });
  const temporary = 'images/.x-000001.bin.tmp';
  t.strictSame(steps, [`create ${temporary}`, `sync ${temporary}`, `read ${temporary}`, 'rename images/x-000001.bin', 'sync images']);
});

t.test('what a killed run left under a temporary name is in nobody’s way', async (t) => {
  const out = t.testdir({ '.enrolments.json.tmp': 'half' });
  t.match(await burn(certified(), out), { burnt: 2 });
  t.notOk(existsSync(join(out, '.enrolments.json.tmp')));
});

t.test('a full disk is a reason told for each device, and no batch is thrown away for it', async (t) => {
  const out = join(t.testdir(), 'out');
  const files: Files = {
    ...systemFiles,
    async create(path, bytes, mode) {
      await systemFiles.create(path, bytes, mode);
      if (path.includes('x-000002')) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    },
  };
  const summary = await burn(certified('', 3), out, { files });
  t.match(summary, { burnt: 2, failed: 1, failures: [{ registrationId: 'x-000002', reason: /ENOSPC/ }] });
  t.strictSame(readdirSync(join(out, 'images')).sort(), ['x-000001.bin', 'x-000003.bin']);
});

t.test('a folder that holds something else is not in the way', async (t) => {
  const out = t.testdir();
  writeFileSync(join(out, 'notes.txt'), 'line 7');
  t.match(await burn(certified(), out), { burnt: 2 });
});

t.test('whichever step of the disk fails, no name stands for half a file', async (t) => {
  const dir = t.testdir();
  let steps = 0;
  let failing = 0;
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    steps += 1;
    if (steps === failing) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    return work();
  };
  const files: Files = {
    makeFolder: (path, mode) => step(() => systemFiles.makeFolder(path, mode)),
    list: (path) => step(() => systemFiles.list(path)),
    read: (path) => step(() => systemFiles.read(path)),
    // A write that fails has often written something.
    create: (path, bytes, mode) =>
      systemFiles.create(path, bytes.subarray(0, 100), mode).then(() => step(() => rewrite(path, bytes, mode))),
    append: (path, bytes) =>
      systemFiles.append(path, bytes.subarray(0, 100)).then(() => step(() => systemFiles.append(path, bytes.subarray(100)))),
    sync: (path) => step(() => systemFiles.sync(path)),
    rename: (from, to) => step(() => systemFiles.rename(from, to)),
    remove: (path) => systemFiles.remove(path),
  };
  const rewrite = async (path: string, bytes: Uint8Array, mode: number): Promise<void> => {
    await systemFiles.remove(path);
    await systemFiles.create(path, bytes, mode);
  };
  await burn(certified(), join(dir, 'sound'), { files });
  const total = steps;
  t.ok(total > 30, `${total} steps`);
  for (failing = 1; failing <= total; failing++) {
    const out = join(dir, `out-${failing}`);
    steps = 0;
    const outcome = await burn(certified(), out, { files }).catch((error: unknown) => error);
    t.match(outcome, outcome instanceof Error ? { code: 'OUT_UNUSABLE', seen: 'EIO' } : { failures: [{ reason: /EIO/ }] });
    if (!existsSync(out)) continue;
    if (!(outcome instanceof Error)) {
      const named = manifestIn(out).devices.map(({ image }) => image.slice('images/'.length));
      t.strictSame(readdirSync(join(out, 'images')), named, `step ${failing}`);
    }
    for (const path of filesUnder(out)) {
      if (path.endsWith('.json')) JSON.parse(readFileSync(path, 'utf8'));
      else if (path.endsWith('.bin')) t.equal(openImage(memoryStorage(readFileSync(path))).factory.idScope, '0ne00000A1B');
      else if (path.endsWith('.jsonl')) t.match(manifestIn(out), { batch: 'certified' });
      // A key that has its name waits for its certificate, which is whole.
      else t.match(path, /\.(pem|key)$|ledger\.db$|\.pem\.tmp$/);
    }
  }
});
