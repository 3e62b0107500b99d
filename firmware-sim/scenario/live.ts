import { NorFlash } from '@zerotouch/flash-image/nor';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import type { DriverPorts } from '../boot/driver-ports.js';
import { Device, type DeviceOptions } from '../runtime/device.js';
import { DayClock } from './day-clock.js';
import type { DayResult, Scenario } from './scenario.js';
import { Troubles } from './troubles.js';
import { dpsCallRange, endProblems, hasEnded } from './verdict.js';

/** No day is longer than this, milliseconds of the device's own time. */
const DAY_MS = 24 * 60 * 60_000;

/** How a scenario is lived. */
export interface DayOptions {
  /** The flash image; the day is lived on a copy, and leaves no trace in it. */
  readonly image: Uint8Array;
  /** The device: its eFuse, client, endpoint and so on. */
  readonly device?: Omit<DeviceOptions, 'flash' | 'clock' | 'entropy'>;
  /** Called with each time of power, to attach listeners. */
  readonly watch?: (device: Device, boot: number) => void;
  /** Ends the day early; what was reached is then judged. */
  readonly signal?: AbortSignal;
  readonly realClock?: Clock;
}

/**
 * Lives a bad day: boots the device, lets the faults come, boots it again when it lost power, and ends when all faults are over and the device
 * is where the scenario says. Waits are leapt over, so that a day takes seconds.
 */
export async function liveThrough(scenario: Scenario, options: DayOptions): Promise<DayResult> {
  const clock = new DayClock(options.realClock ?? systemClock);
  const entropy = seededEntropy(scenario.name);
  const flash = new NorFlash(Buffer.from(options.image), { entropy });
  const troubles = new Troubles(scenario, flash, clock);
  const begun = clock.monotonic();
  const ended = new AbortController();
  const isOver = (): boolean => options.signal?.aborted === true || clock.monotonic() - begun > DAY_MS;
  let quiet: () => boolean = () => false;
  const time = clock.run(ended.signal, () => quiet());
  troubles.begin(ended.signal);
  const between = (ports: DriverPorts): DriverPorts => troubles.between(options.device?.ports?.(ports) ?? ports);
  let state = 'off';
  let [hub, deviceId]: [string | null, string | null] = [null, null];
  let boots = 0;
  for (let reached = false; !reached && !isOver(); ) {
    boots += 1;
    const device = new Device({ ...options.device, flash, clock, entropy, ports: between });
    options.watch?.(device, boots);
    reached = await new Promise<boolean>((resolve) => {
      const powerGone = (): boolean => !flash.powered;
      device.on('state', (entered) => {
        state = entered.state;
        troubles.entered(state);
        if (powerGone()) resolve(false);
      });
      device.on('fault', () => powerGone() && resolve(false));
      quiet = () => {
        const there = hasEnded(scenario, state, troubles);
        const gone = powerGone() || isOver();
        if (there || gone) resolve(there && !gone);
        return there || gone;
      };
      troubles.powered({
        die: () => {
          flash.losePower();
          resolve(false);
        },
        obey: (command) => device.obey({ command }),
      });
      device.start();
    });
    quiet = () => false;
    [hub, deviceId] = [device.hub ?? null, device.deviceId ?? null];
    device.removeAllListeners('state').removeAllListeners('fault');
    await device.stop();
    flash.restorePower();
  }
  ended.abort();
  await time;
  const problems = problemsOf(scenario, state, troubles);
  const seconds = Math.round((clock.monotonic() - begun) / 1000);
  const asExpected = problems.length === 0;
  return { scenario: scenario.name, state, hub, deviceId, dpsCalls: troubles.dpsCalls, boots, seconds, asExpected, problems };
}

function problemsOf(scenario: Scenario, state: string, troubles: Troubles): string[] {
  const { dpsCalls } = troubles;
  const [least, most] = dpsCallRange(scenario);
  const problems = endProblems(scenario, state, troubles);
  if (dpsCalls < least || dpsCalls > most) {
    problems.push(`DPS was asked ${dpsCalls} times, not ${least === most ? least : `${least} to ${most}`}`);
  }
  return problems;
}
