import type { InitialTwin } from '@zerotouch/azure-wire/enrolment';
import { hubErrors } from '@zerotouch/azure-wire/errors';
import { hubLimits } from '@zerotouch/azure-wire/limits';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Hub } from '../../hub/hub.js';
import type { Match } from '../service/etags.js';
import { idIn, maybeObject, maybeText, objectIn } from './bodies.js';
import { deleteDevice, deleteModule, putDevice, putModule } from './devices.js';
import { badArgument, HubApiError } from './errors.js';
import { writeTwin } from './twins.js';

/** What became of a bulk call. Source: swagger, BulkRegistryOperationResult. */
export interface BulkResult {
  isSuccessful: boolean;
  errors: { deviceId: string; moduleId?: string; errorCode: string; errorStatus: string }[];
  warnings: never[];
}

const ANY: Match = { kind: 'any' };

/**
 * Runs the operations of a bulk call, each by itself. Source: swagger, ExportImportDevice.
 * @throws HubApiError 400 for a body that holds none, or more than a hundred
 */
export async function runBulk(hub: Hub, body: unknown): Promise<BulkResult> {
  if (!Array.isArray(body) || body.length === 0 || body.length > hubLimits.bulkDevices.value)
    throw badArgument(`the body is no list of 1 to ${hubLimits.bulkDevices.value} devices`);
  // All of them before the first is carried out: who is told that the call is wrong must not look for what became of half of it.
  const items = body.map((item, index) => {
    const device = objectIn(item, `item ${index}`);
    const moduleId = maybeText(device.moduleId, `item ${index}, moduleId`);
    return { device, deviceId: idIn(device.id, `item ${index}, id`), moduleId };
  });
  const errors: BulkResult['errors'] = [];
  for (const { device, deviceId, moduleId } of items) {
    try {
      await runOne(hub, deviceId, moduleId, device);
    } catch (error) {
      if (!(error instanceof HubApiError)) throw error;
      const failed = { deviceId, errorCode: error.entry.message, errorStatus: error.message };
      errors.push(moduleId === undefined ? failed : { ...failed, moduleId });
    }
  }
  return { isSuccessful: errors.length === 0, errors, warnings: [] };
}

async function runOne(hub: Hub, deviceId: string, moduleId: string | undefined, item: JsonObject): Promise<void> {
  const mode = (maybeText(item.importMode, 'importMode') ?? 'createOrUpdate').toLowerCase();
  const etag = maybeText(item.eTag ?? item.etag, 'eTag');
  const match: Match = etag === undefined || etag === '*' ? ANY : { kind: 'etag', etag: etag.replaceAll('"', '') };
  const { id: _, importMode: __, eTag: ___, ...body } = item;
  const put = (how: Match): Promise<unknown> =>
    moduleId === undefined ? putDevice(hub, deviceId, body, how, twinIn(item)) : putModule(hub, deviceId, moduleId, body, how);
  const drop = (how: Match): Promise<void> =>
    moduleId === undefined ? deleteDevice(hub, deviceId, how) : deleteModule(hub, deviceId, moduleId, how);
  switch (mode) {
    case 'create':
      await put({ kind: 'none' });
      return;
    case 'update':
      await put(ANY);
      return;
    case 'updateifmatchetag':
      await put(match);
      return;
    case 'createorupdate':
      await put({ kind: 'none' }).catch((error: unknown) => {
        const exists = error instanceof HubApiError && (error.entry === hubErrors.deviceExists || error.entry === hubErrors.moduleExists);
        if (!exists) throw error;
        return put(ANY);
      });
      return;
    case 'delete':
      return drop(ANY);
    case 'deleteifmatchetag':
      return drop(match);
    case 'updatetwin':
    case 'updatetwinifmatchetag': {
      const twinEtag = mode === 'updatetwin' ? undefined : maybeText(item.twinETag, 'twinETag');
      const how: Match = twinEtag === undefined ? ANY : { kind: 'etag', etag: twinEtag };
      await writeTwin(hub, { deviceId, moduleId }, { tags: item.tags, properties: item.properties }, how, false);
      return;
    }
    default:
      throw badArgument(
        `importMode ${JSON.stringify(mode)} is none of create, update, createOrUpdate, delete, updateTwin, and their IfMatchETag forms`,
      );
  }
}

function twinIn(item: JsonObject): InitialTwin {
  const tags = maybeObject(item.tags, 'tags');
  const desired = maybeObject(maybeObject(item.properties, 'properties')?.desired, 'properties.desired');
  return { ...(tags === undefined ? {} : { tags }), ...(desired === undefined ? {} : { properties: { desired } }) };
}
