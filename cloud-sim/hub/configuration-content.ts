import { isJsonObject, type JsonObject, type JsonValue, mergeTwin } from '@zerotouch/azure-wire/twin';
import type { ConfigurationRecord } from '../store/store.js';
import { compile, pathsOf } from './query/compile.js';
import { QueryFault } from './query/fault.js';
import { parseCondition } from './query/parser.js';
import type { TwinRow } from './query/rows.js';
import { checkQuery } from './query/run.js';
import { twinProblem } from './twin-limits.js';

/** Whom a configuration is for. */
export interface TargetCondition {
  finds(row: TwinRow): boolean;
  /** Whether what a device reports may change the answer. */
  readsReported: boolean;
}

/** A target condition made ready; `*` is for all. @throws QueryFault */
export function conditionOf(text: string): TargetCondition {
  if (text.trim() === '*') return { finds: () => true, readsReported: false };
  const expression = parseCondition(text);
  const evaluate = compile(expression);
  return {
    finds: (row) => evaluate(row) === true,
    readsReported: pathsOf(expression).some(([root, section]) => root === 'properties' && section !== 'desired'),
  };
}

/** Why a configuration is not taken, or `undefined`. Source: hub/iot-hub-automatic-device-management, "Create a configuration". */
export function configurationFlaw({
  id,
  targetCondition,
  priority,
  content,
  metrics,
}: Pick<ConfigurationRecord, 'id' | 'targetCondition' | 'priority' | 'content' | 'metrics'>): string | undefined {
  if (!/^[a-z0-9\-:+%_#*?!(),=@;$']{1,128}$/.test(id)) return 'the id of a configuration has 1 to 128 lower-case letters, digits and marks';
  if (!Number.isInteger(priority) || priority < 0) return 'priority is a whole number, 0 or more';
  const conditionFlaw = targetCondition.trim() === '' ? undefined : queryFlaw(() => conditionOf(targetCondition));
  if (conditionFlaw !== undefined) return `the target condition cannot be read: ${conditionFlaw}`;
  for (const [name, query] of Object.entries(metrics.queries)) {
    const flaw = queryFlaw(() => checkQuery(query));
    if (flaw !== undefined) return `the query of metric ${JSON.stringify(name)} cannot be read: ${flaw}`;
  }
  return contentFlaw(content);
}

/** What is wrong with a query or a condition, or `undefined`. @param read reads it */
export function queryFlaw(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof QueryFault) return error.message;
    throw error;
  }
}

/** Content by path, as one object of desired properties: `properties.desired.a.b`: 1 is `{ a: { b: 1 } }`. */
export function desiredOf(content: JsonObject): JsonObject {
  let desired: JsonObject = {};
  for (const [path, value] of Object.entries(content)) {
    const nested = valueAt(path, value);
    if (isJsonObject(nested)) desired = mergeTwin(desired, nested);
  }
  return desired;
}

function contentFlaw(content: ConfigurationRecord['content']): string | undefined {
  if (content.modulesContent !== undefined)
    return 'deployments to IoT Edge (content.modulesContent) are not carried out by the local hub: use deviceContent, or applyConfigurationContent for one device';
  if (content.moduleContent !== undefined) return 'configurations of modules (content.moduleContent) are not carried out by the local hub';
  const { deviceContent = {} } = content;
  for (const [path, value] of Object.entries(deviceContent)) {
    if (!/^properties\.desired(\.[^.]+)*$/.test(path))
      return `content.deviceContent holds ${JSON.stringify(path)}: its keys are properties.desired and what is below`;
    if (!isJsonObject(valueAt(path, value))) return `content.deviceContent: ${path} is no JSON object`;
  }
  const problem = twinProblem(desiredOf(deviceContent), 'desired');
  return problem === undefined ? undefined : `content.deviceContent: ${problem}`;
}

function valueAt(path: string, value: JsonValue): JsonValue {
  return path
    .split('.')
    .slice(2)
    .reduceRight<JsonValue>((inner, name) => ({ [name]: inner }), value);
}
