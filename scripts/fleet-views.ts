import type { FleetSpec } from '@zerotouch/fleet-sim/fleet';
import type { FleetWatch } from '@zerotouch/fleet-sim/live/watch';
import type { Job } from './job.js';
import { webPageFolder } from './web-page.js';

/** Ways to look at a fleet that runs. */
export interface FleetViews extends AsyncDisposable {
  readonly watch: FleetWatch;
}

/**
 * Opens what `--live` and `--metrics` ask for, and tells where; nothing of it is loaded otherwise.
 * @throws FleetFault PORT_IN_USE; Fault PORT_IN_USE, NO_TERMINAL
 */
export async function openFleetViews(
  spec: FleetSpec,
  { live, metrics }: { live?: number | 'terminal'; metrics?: number },
  { output }: Pick<Job, 'output'>,
): Promise<FleetViews> {
  const { FleetWatch } = await import('@zerotouch/fleet-sim/live/watch');
  const watch = new FleetWatch({
    name: spec.name ?? '',
    regions: spec.regions?.map(({ name }) => name) ?? [],
    now: () => performance.now(),
  });
  const open: AsyncDisposable[] = [];
  const close = async (): Promise<void> => {
    for (const view of open) await view[Symbol.asyncDispose]();
  };
  try {
    if (metrics !== undefined) {
      const [{ fleetMetrics }, { serveMetrics }] = await Promise.all([import('./fleet-metrics.js'), import('./metrics-server.js')]);
      const server = await serveMetrics(fleetMetrics(watch), metrics);
      open.push(server);
      output.event({ event: 'metrics', url: server.url }, `Metrics: ${server.url}`);
    }
    if (live === 'terminal') {
      const { openTerminalView } = await import('./fleet-terminal.js');
      const end = openTerminalView(watch, { input: process.stdin, output: process.stderr });
      open.push({ [Symbol.asyncDispose]: async () => end() });
    } else if (live !== undefined) {
      const { openLiveView } = await import('@zerotouch/fleet-sim/live/live-view');
      const view = await openLiveView({ watch, page: webPageFolder(), port: live });
      open.push(view);
      output.event({ event: 'live', url: view.url }, `Live view: ${view.url}`);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { watch, [Symbol.asyncDispose]: close };
}
