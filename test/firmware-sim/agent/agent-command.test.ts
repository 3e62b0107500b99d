import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const command = fileURLToPath(import.meta.resolve('../../../../firmware-sim/bin/zerotouch-device.mjs'));

/** Ends the process that reads the settings, and the agent by SIGTERM, as systemd does with all processes of a service. */
const orders = {
  'the agent hears of its own signal first': "process.kill(process.ppid, 'SIGTERM');",
  'the agent hears of that end first':
    "require('node:child_process').spawn('sh', ['-c', 'while kill -0 $0 2>/dev/null; do :; done; kill -TERM $1', String(process.pid), String(process.ppid)], { env: {}, stdio: 'ignore', detached: true });",
};

for (const [what, deed] of Object.entries(orders)) {
  t.test(`SIGTERM while the settings are being read is a clean stop: ${what}`, async (t) => {
    const folder = t.testdir({ 'stop.cjs': `if (process.argv.includes('settings')) { ${deed} process.kill(process.pid, 'SIGKILL'); }` });
    const config = join(folder, 'device.yaml');
    writeFileSync(config, 'version: 1\nimage: image.bin\nhealthSocket: health\n');
    const agent = spawn(process.execPath, [command, 'agent', '--config', config], {
      env: { PATH: process.env.PATH, NODE_OPTIONS: `--require=${join(folder, 'stop.cjs')}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said: string[] = [];
    for (const stream of [agent.stdout, agent.stderr]) stream.setEncoding('utf8').on('data', (text: string) => said.push(text));
    const [code, signal] = await once(agent, 'close');
    t.strictSame({ code, signal }, { code: 0, signal: null }, said.join(''));
    t.match(said.join(''), /stopped/);
  });
}
