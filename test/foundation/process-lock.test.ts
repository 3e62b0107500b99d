import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProcessLock } from '@zerotouch/foundation/process-lock';
import t from 'tap';

t.test('one owner at a time; let go, it is free again', async (t) => {
  const dir = t.testdir();
  const path = join(dir, 'image.bin.lock');
  const lock = ProcessLock.take(path, 'the image is in use');
  t.equal(readFileSync(path, 'utf8'), String(process.pid));
  t.throws(() => ProcessLock.take(path, 'the image is in use'), {
    code: 'LOCKED',
    where: join(dir, 'image.bin'),
    message: new RegExp(`the image is in use \\(process ${process.pid}\\)`),
  });
  lock[Symbol.dispose]();
  t.strictSame(readdirSync(dir), [], 'nothing is left behind');
  ProcessLock.take(path, 'the image is in use')[Symbol.dispose]();
});

t.test('what a killed process or a stranger left is taken over', async (t) => {
  const dir = t.testdir();
  const path = join(dir, 'cloud.json.lock');
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  for (const content of [String(pid), '', 'hello', '-1']) {
    writeFileSync(path, content);
    const lock = ProcessLock.take(path, 'in use');
    t.equal(readFileSync(path, 'utf8'), String(process.pid), JSON.stringify(content));
    lock[Symbol.dispose]();
    t.notOk(existsSync(path));
  }
});

t.test('a lock that cannot be made says where', async (t) => {
  t.throws(() => ProcessLock.take(join(t.testdir(), 'gone', 'x.lock'), 'in use'), { code: 'LOCK_UNUSABLE', where: /gone/ });
});
