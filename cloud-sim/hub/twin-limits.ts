import { hubLimits } from '@zerotouch/azure-wire/limits';
import type { JsonObject, JsonValue } from '@zerotouch/azure-wire/twin';

/** A section of a twin; each has its own size limit. */
export type TwinSection = 'tags' | 'desired' | 'reported';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is forbidden
const FORBIDDEN_IN_KEY = /[\u0000-\u001f\u007f-\u009f.$ ]/;

/**
 * Why a section or a patch of it may not be, or `undefined` when it may: keys, values, depth and, over all, size.
 * Pure. Source: iot-hub-devguide-device-twins, "Tags and properties format" and "Device twin size".
 */
export function twinProblem(section: JsonObject, kind: TwinSection): string | undefined {
  const shape = shapeProblem(section, kind, 1);
  if (shape !== undefined) return shape;
  const limit = kind === 'tags' ? hubLimits.twinTagsBytes.value : hubLimits.twinSectionBytes.value;
  const size = twinSize(section);
  return size > limit ? `the size of ${kind} is ${size} bytes, at most ${limit} are allowed` : undefined;
}

function shapeProblem(value: JsonValue, path: string, depth: number): string | undefined {
  if (typeof value === 'string') {
    const bytes = Buffer.byteLength(value);
    return bytes > hubLimits.twinStringBytes.value
      ? `${path} is a string of ${bytes} bytes, at most ${hubLimits.twinStringBytes.value} are allowed`
      : undefined;
  }
  if (typeof value === 'number') {
    return Number.isInteger(value) && Math.abs(value) > hubLimits.twinIntegerMax.value
      ? `${path} is an integer beyond ±${hubLimits.twinIntegerMax.value}`
      : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  // The section itself is no level: its members are the first.
  if (depth > hubLimits.twinDepth.value + 1) return `${path} is nested deeper than ${hubLimits.twinDepth.value} levels`;
  if (Array.isArray(value)) return firstProblem(value, (item, index) => shapeProblem(item, `${path}[${index}]`, depth + 1));
  return firstProblem(Object.entries(value), ([key, member]) => keyProblem(key, path) ?? shapeProblem(member, `${path}.${key}`, depth + 1));
}

function keyProblem(key: string, path: string): string | undefined {
  if (key === '' || FORBIDDEN_IN_KEY.test(key))
    return `${path} holds the key ${JSON.stringify(key)}; keys are not empty and hold no control characters, '.', '$' or space`;
  return Buffer.byteLength(key) > hubLimits.twinKeyBytes.value
    ? `${path} holds a key of more than ${hubLimits.twinKeyBytes.value} bytes`
    : undefined;
}

/** Size of a section as the hub counts it: keys and values; a number 8, a boolean 4, text by its characters without control ones. */
export function twinSize(value: JsonValue): number {
  if (typeof value === 'string') return textSize(value);
  if (typeof value === 'number') return 8;
  if (typeof value === 'boolean') return 4;
  if (value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + twinSize(item), 0);
  return Object.entries(value).reduce((sum, [key, member]) => sum + (key.startsWith('$') ? 0 : textSize(key) + twinSize(member)), 0);
}

function textSize(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters do not count
  return Buffer.byteLength(text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ''));
}

function firstProblem<T>(items: readonly T[], problemOf: (item: T, index: number) => string | undefined): string | undefined {
  for (const [index, item] of items.entries()) {
    const problem = problemOf(item, index);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
