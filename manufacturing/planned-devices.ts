import type { BatchSpec, GroupSpec } from './spec-schema.js';

/** A device to be burnt: its names, and the group whose rules it follows. */
export interface PlannedDevice {
  registrationId: string;
  serial: string;
  group: GroupSpec;
}

/** The devices of a batch in its order, one at a time. */
export function* devicesIn(spec: Pick<BatchSpec, 'groups'>): Generator<PlannedDevice> {
  for (const group of spec.groups) yield* devicesOf(group);
}

/** The group of the device at a position, counted from 0 in the order of the batch. */
export function groupAt(spec: Pick<BatchSpec, 'groups'>, position: number): GroupSpec {
  let before = 0;
  for (const group of spec.groups) {
    before += group.serial.count;
    if (position < before) return group;
  }
  throw new RangeError(`the batch has ${before} devices, and none at ${position}`);
}

/** The devices of a group in its order, one at a time. */
export function* devicesOf(group: GroupSpec): Generator<PlannedDevice> {
  const { start, count } = group.serial;
  for (let number = start; number < start + count; number++) yield deviceOf(group, number);
}

/** The device of a group with that running number. */
export function deviceOf(group: GroupSpec, number: number): PlannedDevice {
  const serial = group.serial.prefix + String(number).padStart(group.serial.digits, '0');
  return { registrationId: group.registrationId.replaceAll('{serial}', serial), serial, group };
}
