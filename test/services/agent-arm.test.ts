import { existsSync } from 'node:fs';
import { askHealth } from '@zerotouch/firmware-sim/agent/health-socket';
import t from 'tap';
import { ending } from '../scripts/support/command.js';
import { Lines } from '../support/lines.js';
import { agentPlace, startAgent } from './agent-bench.js';

/** Nodes for the processors of Raspberry Pis, run by qemu-user; scripts/services.sh makes them. */
const nodes = { arm64: process.env.ZT_TEST_ARM64_NODE, arm: process.env.ZT_TEST_ARMV7_NODE };

for (const [processor, node] of Object.entries(nodes)) {
  t.test(`the agent on ${processor}`, async (t) => {
    if (node === undefined) throw new Error('run this by npm run test:services, which makes an ARM Node');
    const place = await agentPlace(t);
    const registered: string[] = [];
    place.cloud.events.on('registered', ({ registrationId }) => registered.push(registrationId));
    for (const boot of ['cold', 'warm']) {
      const agent = startAgent(t, ['agent', '--config', place.settingsFile, '--json'], {}, [node]);
      const journal = new Lines(agent.stdout);
      const running = JSON.parse(journal.all[await journal.until(/"event":"running"/)] ?? '') as object;
      t.match(running, { device: 'pi-000001', hub: /^hub-/ }, `${boot} boot`);
      t.match(await askHealth(place.socket), {
        healthy: true,
        versions: { platform: `linux-${processor}` },
        image: { boots: boot === 'cold' ? 1 : 2, registrations: 1 },
      });
      const ended = ending(agent);
      agent.kill('SIGTERM');
      t.equal((await ended).code, 0);
      t.notOk(existsSync(place.socket));
    }
    t.strictSame(registered, ['pi-000001'], 'the warm boot does not ask DPS');
  });
}
