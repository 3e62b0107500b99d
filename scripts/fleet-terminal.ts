import { emitKeypressEvents } from 'node:readline';
import type { LiveTick } from '@zerotouch/fleet-sim/live/shapes';
import type { FleetWatch } from '@zerotouch/fleet-sim/live/watch';
import { Fault } from '@zerotouch/foundation/fault';
import { createLogUpdate } from 'log-update';

/** A terminal as far as the view needs it. */
export interface Terminal {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

const DRAW_MS = 500;
const BARS = ' ▁▂▃▄▅▆▇█';
const WIDTH = 60;
/** What a key does, each for ten seconds where it takes power away. */
const CUT = { share: 0.1, seconds: 10 };

/**
 * Draws a fleet in a terminal, for those without a browser, and steers it by keys: p pauses, r resumes, c cuts the power of a tenth of the devices,
 * 1 to 9 bring down a region.
 * @returns ends the view
 * @throws Fault NO_TERMINAL
 */
export function openTerminalView(watch: FleetWatch, { input, output }: Terminal): () => void {
  if (!output.isTTY || !input.isTTY) {
    throw new Fault('NO_TERMINAL', 'there is no terminal to draw in', {
      where: '--live terminal',
      remedy: 'name a port, and open its page',
    });
  }
  const draw = createLogUpdate(output);
  const onKey = (_: string, { name = '', ctrl = false }: { name?: string; ctrl?: boolean }): void => {
    // In raw mode Ctrl-C is a key like others.
    if (ctrl && name === 'c') process.kill(process.pid, 'SIGINT');
    else steerBy(name, watch);
  };
  emitKeypressEvents(input);
  input.setRawMode(true);
  input.resume();
  input.on('keypress', onKey);
  const timer = setInterval(() => draw(fleetPicture(watch.tick)), DRAW_MS);
  return () => {
    clearInterval(timer);
    input.off('keypress', onKey);
    input.setRawMode(false);
    input.pause();
    draw(fleetPicture(watch.tick));
    draw.done();
  };
}

/** Steers a fleet by a key. @returns whether the key means anything, and the fleet can be steered */
export function steerBy(key: string, watch: FleetWatch): boolean {
  if (key === 'p') return watch.steer({ order: 'pause' });
  if (key === 'r') return watch.steer({ order: 'resume' });
  if (key === 'c') return watch.steer({ order: 'cut', ...CUT });
  const region = watch.tick.regions[Number(key) - 1];
  return region !== undefined && watch.steer({ order: 'region', region, seconds: CUT.seconds });
}

/** A fleet at one moment, as lines of text. Pure. */
export function fleetPicture(tick: LiveTick): string {
  const { states, bootMs, devices, seconds, hubs, regions } = tick;
  const ms = (value: number | null): string => (value === null ? '-' : `${value} ms`);
  return [
    `fleet ${tick.name}: ${devices} devices, ${Math.round(tick.elapsedSeconds)} s${tick.isPaused ? ', PAUSED' : ''}`,
    `  off ${states.off}   booting ${states.booting}   online ${states.online}   halted ${states.halted}`,
    `  ${tick.bootsPerSecond.toFixed(1)} boots a second, ${tick.retries} retries, ${tick.throttled} throttled`,
    `  boot: ${ms(bootMs.p50)} median, ${ms(bootMs.p95)} of 95 in 100, ${ms(bootMs.p99)} of 99 in 100`,
    `  online ${curve(seconds.map(({ online }) => online))}`,
    `  boots  ${curve(seconds.map(({ boots }) => boots))}`,
    ...Object.entries(hubs).map(([hub, count]) => `  ${hub}: ${count}`),
    ...tick.reasons.slice(0, 3).map(({ kind, count, example }) => `  ${count} x ${kind}: ${example}`),
    `  p pause  r resume  c cut 10 in 100 for 10 s${regions.map((region, index) => `  ${index + 1} ${region} down`).join('')}  Ctrl-C end`,
  ].join('\n');
}

function curve(values: readonly number[]): string {
  const shown = values.slice(-WIDTH);
  const most = Math.max(1, ...shown);
  return shown.map((value) => BARS[Math.ceil((Math.max(0, value) / most) * (BARS.length - 1))]).join('');
}
