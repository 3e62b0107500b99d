import type { FailureKind } from '@zerotouch/firmware-sim/boot/ports';
import { commands } from '@zerotouch/firmware-sim/boot/power';
import { defaultRetryPolicy } from '@zerotouch/firmware-sim/boot/retry';
import { type Machine, type MachineEffect, type MachineEvent, poweredOff, step } from '@zerotouch/firmware-sim/boot/supervisor';

type Lane = 'power' | 'assignment' | 'session' | 'config' | 'slots';
type AtOnce =
  | 'disconnect'
  | 'cancel-assignment'
  | 'cancel-config'
  | 'cancel-slots'
  | 'arrive'
  | 'trust'
  | 'restart'
  | 'keep-cool-down'
  | 'halt'
  | 'switch-off';
type Work = Exclude<MachineEffect['do'], AtOnce>;

/** A device in a world that may answer anything: the machine, and what it is waiting for. */
export interface Situation {
  readonly machine: Machine;
  readonly pending: Partial<Record<Lane, Work>>;
}

/** One thing that may happen next, early or after the device has stayed long enough with its hub. */
export interface Move {
  readonly event: MachineEvent;
  readonly effects: readonly MachineEffect[];
  readonly to: Situation;
}

/** The same rules with a budget of two calls, so that there are few situations to tell apart. */
const policy = { ...defaultRetryPolicy, budget: { calls: 2, perMs: 1_000 } };
const EARLY = 1_000;
const LATE = 10 * 60 * 60_000;
/** What a world may do to a device. */
export interface World {
  readonly failures: readonly FailureKind[];
  /** The image has application slots, and new applications come. */
  readonly slots: boolean;
}

const failures: readonly FailureKind[] = [
  'refused',
  'ambiguous',
  'throttled',
  'unavailable',
  'unreachable',
  'dropped',
  'timed-out',
  'invalid',
];

const answers: Record<Exclude<Work, 'wait'>, MachineEvent[]> = {
  mount: power('mounted', 'mount-failed'),
  identify: power('identified', 'identity-failed'),
  'set-clock': power('clock-set', 'clock-unset'),
  recall: [...power('cached', 'not-cached', 'looping'), { table: 'assignment', attempts: 2, waitMs: 60_000 }],
  erase: power('reset-ended'),
  adopt: power('reset-ended'),
  register: [
    { table: 'assignment', event: 'connected' },
    { table: 'assignment', event: 'assigning' },
    { table: 'assignment', event: 'assigned' },
    ...failing('assignment'),
  ],
  'commit-assignment': [
    { table: 'assignment', event: 'committed' },
    { table: 'assignment', event: 'commit-failed' },
  ],
  connect: [{ table: 'session', event: 'connected' }, ...failing('session')],
  pull: [{ table: 'config', event: 'twin' }, ...failing('config')],
  apply: [
    { table: 'config', event: 'applied' },
    { table: 'config', event: 'apply-failed' },
  ],
  restore: [
    { table: 'config', event: 'restored' },
    { table: 'config', event: 'restore-failed' },
  ],
  announce: [{ table: 'config', event: 'reported' }, ...failing('config')],
  'commit-config': [
    { table: 'config', event: 'committed' },
    { table: 'config', event: 'commit-failed' },
  ],
  report: [{ table: 'config', event: 'reported' }, ...failing('config')],
  'check-slot': slots('passed', 'rejected'),
  'commit-slot': slots('committed', 'commit-failed'),
  'roll-back-slot': slots('rolled-back', 'no-way-back'),
  'write-slot': slots('written', 'write-failed'),
  'switch-slot': slots('switched', 'switch-failed'),
};

const laneOf: Record<Exclude<Work, 'wait'>, Lane> = {
  mount: 'power',
  identify: 'power',
  'set-clock': 'power',
  recall: 'power',
  erase: 'power',
  adopt: 'power',
  register: 'assignment',
  'commit-assignment': 'assignment',
  connect: 'session',
  pull: 'config',
  apply: 'config',
  restore: 'config',
  announce: 'config',
  'commit-config': 'config',
  report: 'config',
  'check-slot': 'slots',
  'commit-slot': 'slots',
  'roll-back-slot': 'slots',
  'write-slot': 'slots',
  'switch-slot': 'slots',
};

/** A world that may do anything to a device without slots, and one that does less to a device with them, so that it can be told apart. */
export const harsh: World = { failures, slots: false };
export const updating: World = { failures: ['refused', 'unavailable'], slots: true };

export const start: Situation = { machine: poweredOff, pending: {} };

/** A situation's name: equal names are the same situation. Counters are cut off where more of the same changes nothing. */
export function keyOf({ machine, pending }: Situation): string {
  return JSON.stringify([machine, Object.entries(pending).sort()]);
}

/** Everything that may happen in a situation. */
export function moves(situation: Situation, world: World): Move[] {
  return possible(situation, world).flatMap((event) => {
    const timely = take(situation, event, EARLY);
    const matters = event.table === 'session' && ('failure' in event || event.event === 'lost');
    return matters ? [timely, take(situation, event, LATE)] : [timely];
  });
}

function possible({ machine, pending }: Situation, world: World): MachineEvent[] {
  const events: MachineEvent[] = [];
  for (const [lane, work] of Object.entries(pending) as [Lane, Work][]) {
    if (work === 'wait') events.push({ table: lane, event: 'due' });
    else
      events.push(...answers[work].filter((answer) => !('failure' in answer) || world.failures.includes(answer.failure)), ...power('hung'));
  }
  // The bootloader tells in one breath with the mount.
  if (world.slots && machine.slots === 'idle' && pending.power === 'identify') events.push(...slots('settled', 'on-trial'));
  if (machine.slots === 'settled') events.push(...slots('update'));
  if (machine.session === 'connected') {
    events.push({ table: 'session', event: 'lost' }, { table: 'config', event: 'desired' }, { table: 'config', event: 'gap' });
  }
  events.push(...power(machine.power === 'off' ? 'power-on' : 'power-off', ...commands));
  return events;
}

/** The shortest waits that the dice can make of a step. */
export function shortestWaits(situation: Situation, event: MachineEvent): number[] {
  const [, effects] = step(situation.machine, event, { now: EARLY, unit: () => 0, policy });
  return effects.flatMap((effect) => (effect.do === 'wait' ? [effect.ms] : []));
}

function take(situation: Situation, event: MachineEvent, now: number): Move {
  const [machine, effects] = step(situation.machine, event, { now, unit: () => 0.5, policy });
  const pending: Partial<Record<Lane, Work>> = { ...situation.pending };
  const answered = Object.entries(pending).find(([lane, work]) => isAnswer(lane as Lane, work, event));
  const progress =
    'waitMs' in event || ('event' in event && ['connected', 'assigning', 'looping'].includes(event.event) && event.table !== 'session');
  if (answered !== undefined && !progress) delete pending[answered[0] as Lane];
  for (const effect of effects) {
    if (effect.do === 'wait') pending[effect.table] = 'wait';
    else if (effect.do in laneOf) pending[laneOf[effect.do as Exclude<Work, 'wait'>]] = effect.do as Work;
    else if (effect.do === 'restart') pending.power = 'mount';
    else if (effect.do === 'disconnect') delete pending.session;
    else if (effect.do === 'cancel-assignment') delete pending.assignment;
    else if (effect.do === 'cancel-config') delete pending.config;
    else if (effect.do === 'cancel-slots') delete pending.slots;
    else if (effect.do === 'switch-off') delete pending.power;
  }
  return { event, effects, to: { machine: { ...machine, registers: bounded(machine.registers) }, pending } };
}

function isAnswer(lane: Lane, work: Work | undefined, event: MachineEvent): boolean {
  if (work === undefined || event.table !== lane) return false;
  if (work === 'wait') return 'event' in event && event.event === 'due';
  return answers[work].some((answer) => JSON.stringify(answer) === JSON.stringify(event));
}

function bounded(registers: Machine['registers']): Machine['registers'] {
  return {
    ...registers,
    dpsAttempts: Math.min(registers.dpsAttempts, 2),
    hubAttempts: Math.min(registers.hubAttempts, 2),
    configAttempts: Math.min(registers.configAttempts, 2),
    hubDeadline: registers.hubDeadline === 0 ? 0 : EARLY + 1,
    hubSince: registers.hubSince === 0 ? 0 : EARLY,
    dpsBudget: Math.min(registers.dpsBudget > LATE ? registers.dpsBudget - LATE + EARLY : registers.dpsBudget, EARLY + policy.budget.perMs),
  };
}

function power(...events: Extract<MachineEvent, { table: 'power' }>['event'][]): MachineEvent[] {
  return events.map((event) => ({ table: 'power', event }));
}

function slots(...events: Extract<MachineEvent, { table: 'slots' }>['event'][]): MachineEvent[] {
  return events.map((event) => ({ table: 'slots', event }));
}

function failing(table: 'assignment' | 'session' | 'config'): MachineEvent[] {
  return failures.map((failure) => ({ table, failure, retryAfterMs: 0 }));
}
