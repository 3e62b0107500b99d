// Two solutions on top of provisioning, remote monitoring and predictive maintenance, against a local cloud that this starts itself, with its web view:
//   node scripts/build/examples/solutions/run.js [SECONDS]
// Without SECONDS it runs until Ctrl-C.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { openWebView } from '@zerotouch/cloud-sim/web/web';
import { webPageFolder } from '../../web-page.js';
import { startSolutions } from './solutions.js';

const seconds = Number(process.argv[2] ?? 'Infinity');
const folder = mkdtempSync(join(tmpdir(), 'solutions-'));
const began = Date.now();
const age = (): number => (Date.now() - began) / 1000;
const noise = (): number => Math.random() - 0.5;
/** A boiler that gets too hot once a minute, and a pump that wears out within a few. */
const sensors = {
  celsius: () => 65 + 20 * Math.sin(age() / 10) + noise(),
  vibration: () => 1 + age() / 120 + 0.2 * noise(),
};

try {
  await using cloud = await startCloud({ retryAfterSeconds: 0 });
  await using view = await openWebView({ cloud, page: webPageFolder() });
  console.log(`web view: ${view.url}`);
  cloud.events.on('telemetry', ({ deviceId, body }) => console.log(`${deviceId} sends ${body.toString()}`));
  cloud.events.on('reported', ({ deviceId, patch }) => console.log(`${deviceId} reports ${JSON.stringify(patch)}`));
  const solutions = await startSolutions({ cloud, out: join(folder, 'batch'), sensors });
  const hub = cloud.hub(solutions.pump.device.hub ?? '');
  console.log('runDiagnostic:', JSON.stringify(await hub.invokeMethod('pump-000002', { name: 'runDiagnostic' })));
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    if (Number.isFinite(seconds)) setTimeout(resolve, seconds * 1000);
  });
  await solutions.stop();
} finally {
  rmSync(folder, { recursive: true });
}
