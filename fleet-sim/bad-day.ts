import { basename } from 'node:path';
import type { DriverPorts } from '@zerotouch/firmware-sim/boot/driver-ports';
import { RealDayTime } from '@zerotouch/firmware-sim/scenario/day-time';
import type { Scenario } from '@zerotouch/firmware-sim/scenario/scenario';
import { Troubles, type Victim } from '@zerotouch/firmware-sim/scenario/troubles';
import { dpsCallRange, endProblems, hasEnded } from '@zerotouch/firmware-sim/scenario/verdict';
import { NorFlash } from '@zerotouch/flash-image/nor';
import type { Storage } from '@zerotouch/flash-image/storage';
import type { Clock } from '@zerotouch/foundation/clock';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import type { ScenarioTally } from './metrics.js';

/** The bad day of one device of a fleet: its scenario, lived in real time, with a clock and a flash chip of the device's own. */
export class BadDay {
  readonly scenario: Scenario;
  /** The device's time, whose wall clock is as wrong as the scenario makes it. */
  readonly time: RealDayTime;
  readonly #changed: () => void;
  #chip: NorFlash | undefined;
  #troubles: Troubles | undefined;
  #state = 'off';
  #end: 'open' | 'running' | 'elsewhere' | 'failed' = 'open';

  /** @param changed called when the day may have come to its end by time alone */
  constructor(scenario: Scenario, clock: Clock, changed: () => void) {
    this.scenario = scenario;
    this.time = new RealDayTime(clock);
    this.#changed = changed;
  }

  /** The chip over what holds the device's flash: the same one at each boot. */
  chipOver(image: string, cells: Storage): NorFlash {
    // Torn words come out alike in every run.
    this.#chip ??= new NorFlash(cells, { entropy: seededEntropy(`${this.scenario.name} ${basename(image)}`) });
    return this.#chip;
  }

  /** Whether the device has power, as far as the scenario goes. */
  get hasPower(): boolean {
    return this.#chip?.powered !== false;
  }

  /** Whether its faults are over and the device is where the scenario says. */
  get hasEnded(): boolean {
    return this.#troubles !== undefined && hasEnded(this.scenario, this.#state, this.#troubles);
  }

  /** The device is switched on. @param over ends what comes by time */
  powered(victim: Omit<Victim, 'die'>, over: AbortSignal): void {
    const chip = this.#chip;
    if (chip === undefined) return;
    chip.restorePower();
    if (this.#troubles === undefined) {
      this.#troubles = new Troubles(this.scenario, chip, this.time, this.#changed);
      this.#troubles.begin(over);
    }
    const die = (): void => {
      chip.losePower();
      this.#changed();
    };
    this.#troubles.powered({ ...victim, die });
  }

  /** Stands between the device and what it reaches. */
  between(ports: DriverPorts): DriverPorts {
    return this.#troubles?.between(ports) ?? ports;
  }

  entered(state: string): void {
    this.#state = state;
    this.#troubles?.entered(state);
  }

  /** The day is judged, and stays judged. @returns whether the device runs, as the scenario says */
  close(): boolean {
    const running = this.#state === 'running';
    if (this.#problems.length > 0) this.#end = 'failed';
    else this.#end = running ? 'running' : 'elsewhere';
    return this.#end === 'running';
  }

  /** How it stands, for the figures of the fleet. */
  get tally(): ScenarioTally {
    const [least, most] = dpsCallRange(this.scenario);
    const dpsCalls = this.#troubles?.dpsCalls ?? 0;
    const count = (what: boolean): number => Number(what);
    const isOff = this.#end !== 'open' && (dpsCalls < least || dpsCalls > most);
    const problems = this.#end === 'running' || this.#end === 'elsewhere' ? [] : this.#problems;
    return {
      devices: 1,
      running: count(this.#end === 'running'),
      elsewhere: count(this.#end === 'elsewhere'),
      failed: count(this.#end === 'failed'),
      dpsCalls,
      dpsCallsOff: count(isOff),
      reasons: Object.fromEntries(problems.map((problem) => [problem, 1])),
    };
  }

  get #problems(): string[] {
    return this.#troubles === undefined ? ['it was not switched on'] : endProblems(this.scenario, this.#state, this.#troubles);
  }
}
