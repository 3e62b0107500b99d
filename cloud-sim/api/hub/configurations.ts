import { hubErrors } from '@zerotouch/azure-wire/errors';
import { isJsonObject, type JsonObject } from '@zerotouch/azure-wire/twin';
import { conditionOf, desiredOf, queryFlaw } from '../../hub/configuration-content.js';
import type { ConfigurationProblem } from '../../hub/configurations.js';
import type { Hub } from '../../hub/hub.js';
import { checkQuery } from '../../hub/query/run.js';
import { generatedAuthentication } from '../../hub/registry.js';
import type { ConfigurationRecord } from '../../store/store.js';
import type { Match } from '../service/etags.js';
import { idIn, maybeObject, maybeText, numberIn, objectIn, topIn } from './bodies.js';
import { badArgument, HubApiError, noDevice, stale } from './errors.js';
import { writeTwin } from './twins.js';

const PRIORITIES = [0, 2_147_483_647] as const;

/** @throws HubApiError 404 */
export async function getConfiguration(hub: Hub, id: string): Promise<JsonObject> {
  const record = await hub.configurations.get(id);
  if (record === undefined) throw unknown(id);
  return shown(hub, record);
}

export async function listConfigurations(hub: Hub, top: unknown): Promise<JsonObject[]> {
  // More than there can be is no mistake. Source: swagger, `top`.
  const wanted = topIn(top);
  const records = await hub.configurations.list();
  return Promise.all(records.slice(0, wanted).map((record) => shown(hub, record)));
}

/** @throws HubApiError 400, 403 when there are as many as a hub has, 404, 409, 412 */
export async function putConfiguration(hub: Hub, id: string, body: unknown, match: Match): Promise<JsonObject> {
  const written = objectIn(body, 'the body');
  if (written.id !== undefined && written.id !== id) throw badArgument('id is another one than in the path');
  const outcome = await hub.configurations.put(
    {
      id,
      content: (maybeObject(written.content, 'content') ?? {}) as ConfigurationRecord['content'],
      targetCondition: maybeText(written.targetCondition, 'targetCondition') ?? '',
      priority: numberIn(written.priority, 'priority', PRIORITIES, 0),
      labels: texts(written.labels, 'labels'),
      metrics: { queries: texts(maybeObject(written.metrics, 'metrics')?.queries, 'metrics.queries') },
    },
    etagOf(match),
  );
  if ('etag' in outcome) return shown(hub, outcome);
  throw problem(outcome, id);
}

/** @throws HubApiError 404, 412 */
export async function deleteConfiguration(hub: Hub, id: string, match: Match): Promise<void> {
  const outcome = await hub.configurations.delete(id, etagOf(match));
  if (outcome !== undefined) throw problem(outcome, id);
}

/** Whether a target condition and metric queries can be read; asked before a configuration is made. */
export async function testQueries(body: unknown): Promise<JsonObject> {
  const written = objectIn(body, 'the body');
  const condition = maybeText(written.targetCondition, 'targetCondition') ?? '';
  const customMetricQueryErrors: JsonObject = {};
  for (const [name, query] of Object.entries(texts(written.customMetricQueries, 'customMetricQueries'))) {
    const flaw = queryFlaw(() => checkQuery(query));
    if (flaw !== undefined) customMetricQueryErrors[name] = flaw;
  }
  const targetConditionError = condition === '' ? undefined : queryFlaw(() => conditionOf(condition));
  return { ...(targetConditionError === undefined ? {} : { targetConditionError }), customMetricQueryErrors };
}

/**
 * Lays configuration content over one device: its own desired properties, and those of its modules, which are made when they are missing.
 * @throws HubApiError 400, 404
 */
export async function applyContent(hub: Hub, deviceId: string, body: unknown): Promise<void> {
  const content = objectIn(body, 'the body');
  if ((await hub.registry.get(deviceId)) === undefined) throw noDevice(deviceId);
  const deviceContent = maybeObject(content.deviceContent, 'deviceContent');
  if (deviceContent !== undefined)
    await writeTwin(hub, { deviceId }, { properties: { desired: desiredOf(deviceContent) } }, { kind: 'any' }, false);
  const modulesContent = maybeObject(content.modulesContent, 'modulesContent') ?? {};
  for (const [name, of] of Object.entries(modulesContent)) {
    const moduleId = idIn(name, 'modulesContent');
    const desired = desiredOf(objectIn(of, `modulesContent.${moduleId}`));
    if ((await hub.registry.module(deviceId, moduleId)) === undefined)
      await hub.putModule({ deviceId, moduleId, authentication: generatedAuthentication(hub.entropy), managedBy: 'IotEdge' });
    await writeTwin(hub, { deviceId, moduleId }, { properties: { desired } }, { kind: 'any' }, true);
  }
}

async function shown(hub: Hub, record: ConfigurationRecord): Promise<JsonObject> {
  const { id, etag, content, targetCondition, priority, labels, metrics, created, updated } = record;
  const { system, custom } = await hub.configurations.metrics(record);
  return {
    id,
    schemaVersion: '1.0',
    labels: { ...labels },
    content: { deviceContent: content.deviceContent ?? {} },
    targetCondition,
    createdTimeUtc: created,
    lastUpdatedTimeUtc: updated,
    priority,
    systemMetrics: {
      results: system,
      queries: {
        targetedCount:
          targetCondition === ''
            ? ''
            : `select deviceId from devices where ${targetCondition === '*' ? 'is_defined(deviceId)' : targetCondition}`,
        appliedCount: `select deviceId from devices where configurations.[[${id}]].status = 'Applied'`,
      },
    },
    metrics: { results: custom, queries: { ...metrics.queries } },
    etag,
  };
}

function problem(outcome: ConfigurationProblem, id: string): HubApiError {
  if ('problem' in outcome) return badArgument(outcome.problem);
  if ('stale' in outcome) return stale(outcome.stale);
  if ('exists' in outcome) return new HubApiError(hubErrors.configurationExists, `the hub has a configuration ${JSON.stringify(id)}`);
  if ('full' in outcome) return new HubApiError(hubErrors.invalidOperation, 'no more configurations are taken: a hub has a hundred');
  return unknown(id);
}

function unknown(id: string): HubApiError {
  return new HubApiError(hubErrors.configurationNotFound, `the hub has no configuration ${JSON.stringify(id)}`);
}

function etagOf(match: Match): string | undefined {
  return match.kind === 'etag' ? match.etag : match.kind === 'any' ? '*' : undefined;
}

function texts(value: unknown, where: string): Record<string, string> {
  const found = maybeObject(value, where) ?? {};
  const wrong = Object.entries(found).find(([, text]) => typeof text !== 'string');
  if (wrong !== undefined) throw badArgument(`${where}.${wrong[0]} is no text`);
  return isJsonObject(found) ? (found as Record<string, string>) : {};
}
