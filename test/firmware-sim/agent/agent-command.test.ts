import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const command = fileURLToPath(import.meta.resolve('../../../../firmware-sim/bin/zerotouch-device.mjs'));

/** Loaded into each process of the agent: the one that reads the settings ends both, as systemd does with all processes of a service. */
const stopWhileReading = `data:text/javascript,${encodeURIComponent(
  "if (process.argv.includes('settings')) { process.kill(process.ppid, 'SIGTERM'); process.kill(process.pid, 'SIGKILL'); }",
)}`;

t.test('SIGTERM while the settings are being read is a clean stop', async (t) => {
  const config = join(t.testdir(), 'device.yaml');
  writeFileSync(config, 'version: 1\nimage: image.bin\nhealthSocket: health\n');
  const agent = spawn(process.execPath, [command, 'agent', '--config', config], {
    env: { PATH: process.env.PATH, NODE_OPTIONS: `--import=${stopWhileReading}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  for (const stream of [agent.stdout, agent.stderr]) stream.setEncoding('utf8').on('data', (text: string) => said.push(text));
  const [code, signal] = await once(agent, 'close');
  t.strictSame({ code, signal }, { code: 0, signal: null }, said.join(''));
  t.match(said.join(''), /stopped/);
});
