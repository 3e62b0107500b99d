import { COMMON_NAME_MAX, canonicalRegistrationId, REGISTRATION_ID_MAX, registrationIdProblem } from '@zerotouch/azure-wire/ids';
import { fieldName, SpecFault, type SpecProblem } from './faults.js';
import { macProblems } from './mac.js';
import { deviceOf, devicesIn, devicesOf, type PlannedDevice } from './planned-devices.js';

export { devicesIn, groupAt, type PlannedDevice } from './planned-devices.js';

import { BATCH_DEVICES_MAX, type BatchSpec, type GroupSpec } from './spec-schema.js';

/** Something that works here and is known to hurt later. */
export interface SpecWarning {
  code:
    | 'UPPER_CASE_ID'
    | 'SHORT_VALIDITY'
    | 'LEAF_CLAMPED'
    | 'LEAF_OUTLIVES_ISSUER'
    | 'SERVER_ROOT_EXPIRED'
    | 'SERVER_ROOT_RETIRES'
    | 'SERVER_ROOTS_RETIRE'
    | 'SERVER_ROOT_ALONE';
  /** The field: `groups[0].registrationId`. */
  where: string;
  /** One line: what, and why it matters. */
  message: string;
}

/** Every device of a batch in its order, and what to think about before burning it. */
export interface BatchPlan {
  spec: BatchSpec;
  /** How many devices there are. */
  total: number;
  /** All of them at once; {@link devicesIn} goes through a large batch one by one. */
  readonly devices: PlannedDevice[];
  warnings: SpecWarning[];
}

/** Below this a device certificate looks like one of a test. */
const SHORT_DAYS = 90;

/**
 * Names every device of a batch; writes nothing.
 * @throws SpecFault SPEC_INVALID where the ids cannot be used
 */
export function planBatch(spec: BatchSpec): BatchPlan {
  const [first, ...others] = planProblems(spec);
  if (first !== undefined) throw new SpecFault('SPEC_INVALID', undefined, [first, ...others]);
  const total = totalOf(spec);
  const warnings = spec.groups.flatMap(warningsOf);
  return {
    spec,
    total,
    get devices() {
      return [...devicesIn(spec)];
    },
    warnings,
  };
}

function totalOf(spec: BatchSpec): number {
  return spec.groups.reduce((sum, group) => sum + group.serial.count, 0);
}

/** What is wrong with the names a spec gives: enrolment groups, registration ids, serials. */
export function planProblems(spec: BatchSpec): SpecProblem[] {
  const problems = spec.groups.flatMap((group, index) => [...groupProblems(group, index), ...serialProblems(group, index)]);
  if (problems.length > 0) return problems;
  const total = totalOf(spec);
  if (total <= BATCH_DEVICES_MAX) return [...duplicates(spec), ...macProblems(spec)];
  const expected = `at most ${BATCH_DEVICES_MAX} devices`;
  return [
    { path: ['groups'], summary: 'the batch is too large', seen: total, expected, remedy: 'split it into batches that share an authority' },
  ];
}

function groupProblems(group: GroupSpec, index: number): SpecProblem[] {
  const id = group.enrolmentGroup;
  const problem = id === undefined ? undefined : registrationIdProblem(id);
  if (problem === undefined) return [];
  const expected = `1 to ${REGISTRATION_ID_MAX} letters, digits and - . _ :, ending in a letter, digit or dash`;
  return [{ path: ['groups', index, 'enrolmentGroup'], summary: `the id ${problem}`, seen: id, expected }];
}

function serialProblems(group: GroupSpec, index: number): SpecProblem[] {
  const { start, count, digits } = group.serial;
  const last = start + count - 1;
  const problems: SpecProblem[] = [];
  if (String(last).length > digits) {
    const path = ['groups', index, 'serial', 'digits'];
    problems.push({ path, summary: `the last number, ${last}, does not fit`, seen: digits, expected: `at least ${String(last).length}` });
  }
  const path = ['groups', index, 'registrationId'];
  const foreign = /\{(?!serial\})[^}]*\}?/.exec(group.registrationId)?.[0];
  if (foreign !== undefined) {
    problems.push({ path, summary: `unknown placeholder ${foreign}`, seen: group.registrationId, expected: '{serial}' });
  } else if (count > 1 && !group.registrationId.includes('{serial}')) {
    problems.push({ path, summary: `${count} devices would get the same id`, seen: group.registrationId, expected: '{serial} in it' });
  } else problems.push(...idProblems(group, path));
  return problems;
}

// All ids of a group have one shape and one length, so the first speaks for all.
function idProblems(group: GroupSpec, path: (string | number)[]): SpecProblem[] {
  const { registrationId: seen } = deviceOf(group, group.serial.start);
  if (/^cn=/i.test(seen)) {
    return [{ path, summary: 'the registration id starts with "CN="', seen, expected: 'the common name alone', remedy: 'leave "CN=" out' }];
  }
  const problem = registrationIdProblem(seen);
  if (problem !== undefined) {
    const expected = `1 to ${REGISTRATION_ID_MAX} letters, digits and - . _ :, ending in a letter, digit or dash`;
    return [{ path, summary: `the registration id ${problem}`, seen, expected }];
  }
  if (group.attestation === 'x509' && seen.length > COMMON_NAME_MAX) {
    const expected = `at most ${COMMON_NAME_MAX} characters, what the common name of a certificate holds`;
    return [{ path, summary: `the registration id has ${seen.length} characters`, seen, expected }];
  }
  return [];
}

function duplicates(spec: BatchSpec): SpecProblem[] {
  for (const [index, group] of spec.groups.entries()) {
    const before = spec.groups.slice(0, index);
    const id = group.enrolmentGroup;
    const sameGroup =
      id === undefined ? -1 : before.findIndex(({ enrolmentGroup }) => enrolmentGroup !== undefined && same(enrolmentGroup, id));
    if (id !== undefined && sameGroup >= 0) return [twice(['groups', index, 'enrolmentGroup'], 'the enrolment group', id, sameGroup)];
    // Within one group the running number keeps them apart, and so do texts of another length: few groups are left to be looked at.
    const first = deviceOf(group, group.serial.start);
    const alike = (name: 'registrationId' | 'serial') => (other: GroupSpec) =>
      deviceOf(other, other.serial.start)[name].length === first[name].length;
    if (!before.some(alike('registrationId')) && !before.some(alike('serial'))) continue;
    for (const { registrationId, serial } of devicesOf(group)) {
      const sameId = before.findIndex((other) => hasId(other, registrationId));
      if (sameId >= 0) return [twice(['groups', index, 'registrationId'], 'the registration id', registrationId, sameId)];
      const sameSerial = before.findIndex((other) => hasSerial(other, serial));
      if (sameSerial >= 0) return [twice(['groups', index, 'serial'], 'the serial', serial, sameSerial)];
    }
  }
  return [];
}

// Looked up by their make and not in a list of all: a million ids need no memory.
function hasId(group: GroupSpec, id: string): boolean {
  const start = group.registrationId.indexOf('{serial}');
  if (start < 0) return same(group.registrationId, id);
  const { prefix } = group.serial;
  const number = numberIn(group, id.slice(start + prefix.length));
  return number !== undefined && same(deviceOf(group, number).registrationId, id);
}

function hasSerial(group: GroupSpec, serial: string): boolean {
  const number = numberIn(group, serial.slice(group.serial.prefix.length));
  return number !== undefined && same(deviceOf(group, number).serial, serial);
}

/** The running number that a text begins with, if it is one of the group. */
function numberIn({ serial: { start, count, digits } }: GroupSpec, text: string): number | undefined {
  const written = text.slice(0, digits);
  if (!/^[0-9]+$/.test(written)) return undefined;
  const number = Number(written);
  return number >= start && number < start + count ? number : undefined;
}

// DPS compares ids without regard to case; a batch's serials are told apart the same way, as people read them.
function same(a: string, b: string): boolean {
  return a.length === b.length && canonicalRegistrationId(a) === canonicalRegistrationId(b);
}

function twice(path: (string | number)[], what: string, seen: string, earlier: number): SpecProblem {
  const expected = `each once in a batch, without regard to case; groups[${earlier}] has it too`;
  const remedy = what === 'the serial' ? 'set another serial.start or serial.prefix' : 'name it differently';
  return { path, summary: `${what} is used twice`, seen, expected, remedy };
}

function warningsOf(group: GroupSpec, index: number): SpecWarning[] {
  const warnings: SpecWarning[] = [];
  const upperCase = (field: 'enrolmentGroup' | 'registrationId', id: string | undefined) => {
    if (id === undefined || id === canonicalRegistrationId(id)) return;
    const why = 'some validators refuse upper case (400004), and a derived key depends on the case that DPS ignores';
    warnings.push({ code: 'UPPER_CASE_ID', where: fieldName(['groups', index, field]), message: `${id} has upper-case letters: ${why}` });
  };
  upperCase('enrolmentGroup', group.enrolmentGroup);
  upperCase('registrationId', deviceOf(group, group.serial.start).registrationId);
  const days = group.validity?.days;
  if (days !== undefined && days < SHORT_DAYS) {
    const message = `device certificates of ${days} days: nothing renews them, and DPS refuses an expired one (401002)`;
    warnings.push({ code: 'SHORT_VALIDITY', where: fieldName(['groups', index, 'validity', 'days']), message });
  }
  return warnings;
}
