import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askHealth, jsonAnswer, openHealthSocket } from '@zerotouch/firmware-sim/agent/health-socket';
import t, { type Test } from 'tap';

/** A folder with a short path: the address of a Unix socket holds 107 bytes. */
function folder(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'zt-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  return dir;
}

const health = () => jsonAnswer({ healthy: false, state: 'waiting' }, 503);

t.test('the health on a socket of mode 0660', async (t) => {
  const path = join(folder(t), 'health.sock');
  const door = await openHealthSocket(path, { '/health': health });
  t.equal(lstatSync(path).mode & 0o777, 0o660);
  t.match(await askHealth(path), { healthy: false, state: 'waiting' });
  const other = request({ socketPath: path, path: '/toString' }).end();
  const [answer] = await once(other, 'response');
  t.equal(answer.statusCode, 404);
  answer.resume();
  await t.rejects(openHealthSocket(path, {}), { code: 'SOCKET_TAKEN', seen: 'an agent that runs' });
  await door[Symbol.asyncDispose]();
  t.equal(lstatSync(path, { throwIfNoEntry: false }), undefined);
  await t.rejects(askHealth(path), { code: 'NO_AGENT', seen: 'ENOENT' });
});

t.test('what lies where the socket should be', async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'file'), 'dear to somebody');
  await t.rejects(openHealthSocket(join(dir, 'file'), {}), { code: 'SOCKET_TAKEN', seen: 'something that is no socket' });
  const left = join(dir, 'left.sock');
  const script = `require('node:net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(execFile(process.execPath, ['-e', script]), 'close');
  t.ok(lstatSync(left).isSocket(), 'a killed process leaves its socket behind');
  await using _ = await openHealthSocket(left, { '/health': health });
  t.match(await askHealth(left), { state: 'waiting' });
});

t.test('what answers and is no agent', async (t) => {
  const path = join(folder(t), 'other.sock');
  await using _ = await openHealthSocket(path, { '/health': () => ({ status: 200, type: 'text/plain', body: 'hello' }) });
  await t.rejects(askHealth(path), { code: 'NO_AGENT' });
  writeFileSync(`${path}.txt`, '');
  await t.rejects(askHealth(`${path}.txt`), { code: 'NO_AGENT' });
});
