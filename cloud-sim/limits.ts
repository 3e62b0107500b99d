import { dpsLimits, hubLimits } from '@zerotouch/azure-wire/limits';
import { z } from 'zod';

/** What a cloud takes before it says no; `Infinity` is no limit. */
export interface LimitValues {
  /** Register requests a minute, of all devices together. */
  registrationsPerMinute: number;
  /** Calls of the service API a minute. */
  operationsPerMinute: number;
  /** Polls of one device in `pollWindowMs`. */
  pollsPerWindow: number;
  pollWindowMs: number;
  individualEnrolments: number;
  x509Groups: number;
  symmetricKeyGroups: number;
  certificateAuthorities: number;
  linkedHubs: number;
  /** Bytes of a request body. */
  messageBytes: number;
  /** Devices in one hub's registry. */
  devicesPerHub: number;
  /** Of the rates that Azure gives a hub of its tier and units: 1 keeps them, 0.01 is for tests of what happens then. */
  hubRateFactor: number;
}

/** Everything as Azure documents it. */
export const azureLimits: LimitValues = {
  registrationsPerMinute: dpsLimits.registrationsPerMinute.value,
  operationsPerMinute: dpsLimits.operationsPerMinute.value,
  pollsPerWindow: dpsLimits.pollsPerWindow.value,
  pollWindowMs: dpsLimits.pollWindowMs.value,
  individualEnrolments: dpsLimits.individualEnrolments.value,
  x509Groups: dpsLimits.x509Groups.value,
  symmetricKeyGroups: dpsLimits.symmetricKeyGroups.value,
  certificateAuthorities: dpsLimits.certificateAuthorities.value,
  linkedHubs: dpsLimits.linkedHubs.value,
  messageBytes: dpsLimits.messageBytes.value,
  devicesPerHub: hubLimits.devices.value,
  hubRateFactor: 1,
};

const NO_RATES = {
  registrationsPerMinute: Number.POSITIVE_INFINITY,
  operationsPerMinute: Number.POSITIVE_INFINITY,
  pollsPerWindow: Number.POSITIVE_INFINITY,
  hubRateFactor: Number.POSITIVE_INFINITY,
};

const none: LimitValues = {
  ...NO_RATES,
  pollWindowMs: azureLimits.pollWindowMs,
  individualEnrolments: Number.POSITIVE_INFINITY,
  x509Groups: Number.POSITIVE_INFINITY,
  symmetricKeyGroups: Number.POSITIVE_INFINITY,
  certificateAuthorities: Number.POSITIVE_INFINITY,
  linkedHubs: Number.POSITIVE_INFINITY,
  messageBytes: Number.POSITIVE_INFINITY,
  devicesPerHub: Number.POSITIVE_INFINITY,
};

/**
 * Which limits a cloud keeps. `azure`: all as Azure has them. `off`: none. An object: the default with these values changed. The default
 * keeps counts and sizes as Azure does and leaves rates alone: a test double must not slow down a suite.
 */
export type LimitOption = 'azure' | 'off' | Partial<LimitValues>;

const value = z.union([z.number().positive(), z.literal(Number.POSITIVE_INFINITY)]).optional();

/** The shape of {@link LimitOption}. */
export const limitSchema = z.union([
  z.enum(['azure', 'off']),
  z.strictObject(Object.fromEntries(Object.keys(azureLimits).map((name) => [name, value]))),
]);

/** The limits that an option asks for. */
export function limitValues(option: LimitOption = {}): LimitValues {
  if (option === 'azure') return azureLimits;
  if (option === 'off') return none;
  return { ...azureLimits, ...NO_RATES, ...option };
}
