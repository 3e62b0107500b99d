import type { InitialTwin } from '@zerotouch/azure-wire/enrolment';
import { hubErrors } from '@zerotouch/azure-wire/errors';
import { hubLimits } from '@zerotouch/azure-wire/limits';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { deviceDocument, moduleDocument } from '../../hub/documents.js';
import type { Hub } from '../../hub/hub.js';
import { EDGE_MODULES } from '../../hub/identity.js';
import type { DeviceRecord, ModuleRecord } from '../../store/store.js';
import type { Match } from '../service/etags.js';
import { authenticationIn, idIn, maybeObject, maybeText, objectIn, statusIn, topIn } from './bodies.js';
import { badArgument, HubApiError, noDevice, noModule, stale } from './errors.js';

/** Devices that a list shows at most. Source: swagger, `top`. */
const LIST = 1000;

/** @throws HubApiError 404 */
export async function getDevice(hub: Hub, deviceId: string): Promise<JsonObject> {
  const device = await hub.registry.get(deviceId);
  if (device === undefined) throw noDevice(deviceId);
  return shown(hub, device);
}

export async function listDevices(hub: Hub, top: unknown): Promise<JsonObject[]> {
  return (await hub.registry.page({ limit: topIn(top, LIST) ?? LIST })).items.map((device) => shown(hub, device));
}

/**
 * Makes a device, or changes one when If-Match says so.
 * @throws HubApiError 400, 403 when no more devices fit, 404, 409, 412
 */
export async function putDevice(hub: Hub, deviceId: string, body: unknown, match: Match, twin: InitialTwin = {}): Promise<JsonObject> {
  const written = objectIn(body, 'the body');
  if (idIn(written.deviceId ?? deviceId, 'deviceId') !== deviceId) throw badArgument('deviceId is another one than in the path');
  const status = statusIn(written.status, 'status');
  const statusReason = maybeText(written.statusReason, 'statusReason');
  const iotEdge = maybeObject(written.capabilities, 'capabilities')?.iotEdge;
  if (iotEdge !== undefined && iotEdge !== null && typeof iotEdge !== 'boolean') throw badArgument('capabilities.iotEdge is no boolean');
  if (statusReason !== undefined && statusReason.length > 128) throw badArgument('statusReason has more than 128 characters');
  const current = await hub.registry.get(deviceId);
  if (current === undefined) {
    if (match.kind !== 'none') throw noDevice(deviceId);
    if (await hub.registry.isFull()) throw new HubApiError(hubErrors.tooManyDevices, 'the registry of the hub is full');
    const made = await hub.admit(
      {
        deviceId,
        authentication: authenticationIn(written.authentication, undefined, hub.entropy),
        capabilities: { iotEdge: iotEdge === true },
        ...(status === undefined ? {} : { status }),
        ...(statusReason === undefined ? {} : { statusReason }),
      },
      twin,
    );
    return shown(hub, made);
  }
  if (match.kind === 'none') throw new HubApiError(hubErrors.deviceExists, `the hub has a device ${JSON.stringify(deviceId)}`);
  const authentication = authenticationIn(written.authentication, current.authentication, hub.entropy);
  const changed = await hub.changeDevice(deviceId, (device) => {
    checkMatch(match, device.etag);
    const { status: before, statusReason: _, ...rest } = device;
    const next = status ?? before ?? 'enabled';
    return {
      ...rest,
      authentication,
      capabilities: { iotEdge: typeof iotEdge === 'boolean' ? iotEdge : device.capabilities.iotEdge },
      ...(next === 'disabled' ? { status: next } : {}),
      ...(statusReason === undefined ? {} : { statusReason }),
    };
  });
  if (changed === undefined) throw noDevice(deviceId);
  return shown(hub, changed);
}

/** @throws HubApiError 404, 412 */
export async function deleteDevice(hub: Hub, deviceId: string, match: Match): Promise<void> {
  const device = await hub.registry.get(deviceId);
  if (device === undefined) throw noDevice(deviceId);
  checkMatch(match, device.etag);
  await hub.release(deviceId);
}

/** @throws HubApiError 404 */
export async function getModule(hub: Hub, deviceId: string, moduleId: string): Promise<JsonObject> {
  const module = await hub.registry.module(deviceId, moduleId);
  if (module === undefined) throw noModule(deviceId, moduleId);
  return shownModule(hub, module);
}

/** @throws HubApiError 404 */
export async function listModules(hub: Hub, deviceId: string): Promise<JsonObject[]> {
  if ((await hub.registry.get(deviceId)) === undefined) throw noDevice(deviceId);
  return (await hub.registry.modules(deviceId)).map((module) => shownModule(hub, module));
}

/** @throws HubApiError 400, 404, 409, 412, 413 when no more modules fit */
export async function putModule(hub: Hub, deviceId: string, moduleId: string, body: unknown, match: Match): Promise<JsonObject> {
  const written = objectIn(body, 'the body');
  if (idIn(written.moduleId ?? moduleId, 'moduleId') !== moduleId) throw badArgument('moduleId is another one than in the path');
  const managedBy = maybeText(written.managedBy, 'managedBy');
  const [device, modules] = await Promise.all([hub.registry.get(deviceId), hub.registry.modules(deviceId)]);
  if (device === undefined) throw noDevice(deviceId);
  const current = modules.find((module) => module.moduleId === moduleId);
  if (current === undefined && match.kind !== 'none') throw noModule(deviceId, moduleId);
  if (current !== undefined && match.kind === 'none')
    throw new HubApiError(hubErrors.moduleExists, `device ${JSON.stringify(deviceId)} has a module ${JSON.stringify(moduleId)}`);
  if (current === undefined && modules.length >= hubLimits.modulesPerDevice.value)
    throw new HubApiError(hubErrors.tooManyModules, `a device has at most ${hubLimits.modulesPerDevice.value} modules`);
  if (current !== undefined) checkMatch(match, current.etag);
  const authentication = authenticationIn(written.authentication, current?.authentication, hub.entropy);
  return shownModule(hub, await hub.putModule({ deviceId, moduleId, authentication, ...(managedBy === undefined ? {} : { managedBy }) }));
}

/** @throws HubApiError 400 for a module that every IoT Edge device has, 404, 412 */
export async function deleteModule(hub: Hub, deviceId: string, moduleId: string, match: Match): Promise<void> {
  const module = await hub.registry.module(deviceId, moduleId);
  if (module === undefined) throw noModule(deviceId, moduleId);
  if (EDGE_MODULES.some((name) => name === moduleId)) throw badArgument(`${moduleId} cannot be deleted: every IoT Edge device has it`);
  checkMatch(match, module.etag);
  await hub.removeModule(deviceId, moduleId);
}

/** @throws HubApiError 412 */
export function checkMatch(match: Match, etag: string): void {
  if (match.kind === 'etag' && match.etag !== etag) throw stale(etag);
}

function shown(hub: Hub, device: DeviceRecord): JsonObject {
  return deviceDocument(device, hub.presence({ deviceId: device.deviceId }));
}

function shownModule(hub: Hub, module: ModuleRecord): JsonObject {
  return moduleDocument(module, hub.presence(module));
}
