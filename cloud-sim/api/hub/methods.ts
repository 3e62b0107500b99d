import { hubErrors } from '@zerotouch/azure-wire/errors';
import { hubLimits } from '@zerotouch/azure-wire/limits';
import type { Hub } from '../../hub/hub.js';
import type { Identity } from '../../hub/identity.js';
import { DEFAULT_RESPONSE_TIMEOUT_MS } from '../../hub/methods.js';
import { numberIn, objectIn } from './bodies.js';
import { badArgument, HubApiError, noDevice, noModule } from './errors.js';
import { throttled } from './throttled.js';

/** Seconds that a caller may ask for. Source: hub/iot-hub-devguide-direct-methods. */
const RESPONSE_SECONDS = [5, 300] as const;
const CONNECT_SECONDS = [0, 300] as const;

/**
 * Calls a direct method.
 * @returns the device's own status and payload
 * @throws HubApiError 400, 404 for a device that is not there or not connected, 429, 504 when it does not answer in time
 */
export async function invokeMethod(
  hub: Hub,
  identity: Identity,
  body: unknown,
  signal: AbortSignal,
): Promise<{ status: number; payload: unknown }> {
  const { deviceId, moduleId } = identity;
  const call = objectIn(body, 'the body');
  const { methodName: name, payload } = call;
  if (typeof name !== 'string' || !/^[^\s/#+?$]{1,128}$/.test(name)) throw badArgument('methodName is no name of 1 to 128 characters');
  const bytes = Buffer.byteLength(JSON.stringify(payload ?? null));
  if (bytes > hubLimits.methodBytes.value)
    throw badArgument(`payload has ${bytes} bytes, at most ${hubLimits.methodBytes.value} are allowed`);
  // Clients write 0 for a time-out that they do not set.
  const wanted = call.responseTimeoutInSeconds === 0 ? undefined : call.responseTimeoutInSeconds;
  const seconds = numberIn(wanted, 'responseTimeoutInSeconds', RESPONSE_SECONDS, DEFAULT_RESPONSE_TIMEOUT_MS / 1000);
  const connectSeconds = numberIn(call.connectTimeoutInSeconds, 'connectTimeoutInSeconds', CONNECT_SECONDS, 0);
  const [device, module] = await Promise.all([
    hub.registry.get(deviceId),
    moduleId === undefined ? undefined : hub.registry.module(deviceId, moduleId),
  ]);
  if (device === undefined) throw noDevice(deviceId);
  if (moduleId !== undefined && module === undefined) throw noModule(deviceId, moduleId);
  throttled(hub.throttle.take('methodBytes', Math.max(bytes, METER_BYTES)));
  const times = { connectTimeoutMs: connectSeconds * 1000, responseTimeoutMs: seconds * 1000 };
  const outcome = await hub.methods.invoke(identity, { name, payload, ...times }, signal);
  if ('status' in outcome) return outcome;
  if (outcome.problem === 'not-online')
    throw new HubApiError(hubErrors.deviceNotOnline, 'Timed out waiting for device to connect.', {
      reason: `${JSON.stringify(deviceId)} is not connected, or does not listen for methods`,
    });
  throw new HubApiError(hubErrors.methodTimeout, 'Timed out waiting for the response from device.');
}

/** Bytes that any method counts at least. Source: azure-docs iot-hub-devguide-quotas-throttling. */
const METER_BYTES = 4 * 1024;
