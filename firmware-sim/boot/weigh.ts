import type { AssignmentEvent } from './assignment.js';
import type { ConfigEvent, ConfigState } from './config.js';
import type { FailureKind } from './ports.js';
import { type RetryPolicy, stayMs } from './retry.js';
import type { SessionEvent } from './session.js';

/** What is handed in at each step: time, entropy and the rules. */
export interface StepContext {
  /** Milliseconds of the monotonic clock. */
  readonly now: number;
  /** A random number in [0, 1). */
  readonly unit: () => number;
  readonly policy: RetryPolicy;
}

/** The numbers. Times are milliseconds of the monotonic clock, 0 when not set. */
export interface Registers {
  /** Attempts at DPS in a row that led to no running hub. */
  readonly dpsAttempts: number;
  /** Attempts at the hub in a row, and sessions that did not last. */
  readonly hubAttempts: number;
  /** Ambiguous answers in a row, at DPS and at the hub. */
  readonly dpsAmbiguous: number;
  readonly hubAmbiguous: number;
  /** When failures at this hub have lasted too long. */
  readonly hubDeadline: number;
  /** When the hub let us in. */
  readonly hubSince: number;
  /** Attempts at pulling or reporting in a row. */
  readonly configAttempts: number;
  /** 1 when a change of the desired properties came while another was carried out. */
  readonly configStale: number;
  /** 1 when DPS has been asked since the last time a hub let us in. */
  readonly asked: number;
  /** When the whole budget of DPS calls will be there again; outlives every session. */
  readonly dpsBudget: number;
  /** How long to wait before the next question to DPS at least: what an earlier boot was told. */
  readonly dpsWait: number;
  /** 1 when too many boots in a row have failed. */
  readonly careful: number;
}

/** The registers while a step is being taken. */
export type OpenRegisters = { -readonly [K in keyof Registers]: Registers[K] };

/** The registers of a device that has just been switched on. */
export const noAttempts: Registers = {
  dpsAttempts: 0,
  hubAttempts: 0,
  dpsAmbiguous: 0,
  hubAmbiguous: 0,
  hubDeadline: 0,
  hubSince: 0,
  configAttempts: 0,
  configStale: 0,
  asked: 0,
  dpsBudget: 0,
  dpsWait: 0,
  careful: 0,
};

/** What a failed registration means to the assignment table. */
export function weighDps(registers: OpenRegisters, kind: FailureKind, { policy }: StepContext): AssignmentEvent {
  registers.dpsAttempts += 1;
  if (kind === 'refused') return 'refused';
  if (kind === 'throttled') return 'throttled';
  registers.dpsAmbiguous = kind === 'ambiguous' ? registers.dpsAmbiguous + 1 : 0;
  return registers.dpsAmbiguous >= policy.ambiguousLimit ? 'refused' : 'failed';
}

/** What a failed sign-in at the hub means to the session table. */
export function weighHub(registers: OpenRegisters, kind: FailureKind, context: StepContext): SessionEvent {
  registers.hubAttempts += 1;
  if (kind === 'refused') return 'refused';
  registers.hubAmbiguous = kind === 'ambiguous' ? registers.hubAmbiguous + 1 : 0;
  if (registers.hubAmbiguous >= context.policy.ambiguousLimit) return 'refused';
  return isExhausted(registers, context) ? 'exhausted' : 'failed';
}

/** What the loss of a session means: one that had lasted was a good one, and patience starts anew. */
export function weighLoss(registers: OpenRegisters, context: StepContext): SessionEvent {
  const lasted = context.now - registers.hubSince >= context.policy.lastingMs;
  registers.hubAttempts = lasted ? 1 : registers.hubAttempts + 1;
  if (lasted) registers.hubDeadline = 0;
  return isExhausted(registers, context) ? 'exhausted' : 'lost';
}

/** What a failed twin request means to the config table. */
export function weighConfig(registers: OpenRegisters, kind: FailureKind, state: ConfigState): ConfigEvent {
  registers.configAttempts += 1;
  // Only an answer to a report can be turned down for good; a twin that cannot be understood may be better next time.
  return kind === 'invalid' && state === 'reporting' ? 'rejected' : 'failed';
}

/**
 * The hub has let the device in. What counts against this hub is kept until the session has lasted: a hub that lets a device in and throws it
 * out at once is neither asked in a fast loop nor for ever.
 */
export function beginSession(registers: OpenRegisters, { now }: StepContext): void {
  const { hubAttempts, hubDeadline, dpsBudget, careful } = registers;
  Object.assign(registers, { ...noAttempts, hubAttempts, hubDeadline, dpsBudget, careful, hubSince: now });
}

function isExhausted(registers: OpenRegisters, { now, policy, unit }: StepContext): boolean {
  if (registers.hubDeadline === 0) registers.hubDeadline = now + stayMs(policy, unit());
  return now >= registers.hubDeadline;
}
