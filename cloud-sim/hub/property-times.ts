import { isJsonObject, type JsonObject } from '@zerotouch/azure-wire/twin';
import type { PropertyTime, PropertyTimes, Stamp, TwinRecord } from '../store/store.js';

/** What is told of a time that nobody knows. Source: iot-hub-devguide-device-twins. */
export const NEVER = '0001-01-01T00:00:00Z';

/** A section of a twin, and when what is in it was written; without `times`, all of it with the stamp. */
export interface TimedSection {
  properties: JsonObject;
  stamp: Stamp;
  times?: PropertyTimes | undefined;
}

/**
 * When what is in a section was written, after a patch was laid over it. Of what most twins are, written whole and written whole again, nothing is
 * kept. Source: iot-hub-devguide-device-twins, metadata: kept at every level, as deep as the leaves.
 * @param after the section with the patch in it
 * @param stamp of the patch
 */
export function timesAfter(before: TimedSection, patch: JsonObject, after: JsonObject, stamp: Stamp): PropertyTimes | undefined {
  const entries = Object.entries(after).map(([name, value]): [string, PropertyTime] => {
    const written = own(patch, name);
    const old = timeOfProperty(before, name);
    if (written === undefined) return [name, old];
    if (!isJsonObject(value) || !isJsonObject(written)) return [name, stamp];
    const was = own(before.properties, name);
    const inside = isJsonObject(was) ? { properties: was, stamp: old, times: old.of } : { properties: {}, stamp };
    const of = timesAfter(inside, written, value, stamp);
    return [name, of === undefined ? stamp : { ...stamp, of }];
  });
  const whole = entries.every(([, { version, of }]) => version === stamp.version && of === undefined);
  return whole ? undefined : Object.fromEntries(entries);
}

/** A section of a twin with its times. */
export function timedSection(twin: TwinRecord, section: 'desired' | 'reported'): TimedSection {
  return section === 'desired'
    ? { properties: twin.desired, stamp: { at: twin.desiredUpdated ?? NEVER, version: twin.desiredVersion }, times: twin.desiredTimes }
    : { properties: twin.reported, stamp: { at: twin.reportedUpdated ?? NEVER, version: twin.reportedVersion }, times: twin.reportedTimes };
}

/** A twin with another section in the place of the one it has. */
export function withSection(twin: TwinRecord, section: 'desired' | 'reported', { properties, stamp, times }: TimedSection): TwinRecord {
  const { at, version } = stamp;
  if (section === 'desired') {
    const { desiredTimes: _, ...others } = twin;
    return { ...others, desired: properties, desiredVersion: version, desiredUpdated: at, ...(times && { desiredTimes: times }) };
  }
  const { reportedTimes: _, ...others } = twin;
  return { ...others, reported: properties, reportedVersion: version, reportedUpdated: at, ...(times && { reportedTimes: times }) };
}

/** When a property was written. */
export function timeOfProperty({ stamp, times }: TimedSection, name: string): PropertyTime {
  const { at, version } = stamp;
  return (times === undefined ? undefined : own(times, name)) ?? { at, version };
}

function own<T>(object: { readonly [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}
