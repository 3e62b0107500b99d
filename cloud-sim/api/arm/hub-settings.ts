import { hubLimits } from '@zerotouch/azure-wire/limits';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { z } from 'zod';
import { durationMs } from '../../hub/message-settings.js';

/** A duration of ISO 8601 within bounds, milliseconds. */
function duration(least: number, most: number): z.ZodType<string> {
  return z.string().refine((text) => ((ms) => ms !== undefined && ms >= least && ms <= most)(durationMs(text)), {
    error: `must be a duration of ISO 8601 from ${least / 1000} to ${most / 1000} seconds, as PT1H`,
  });
}

const MINUTE = 60_000;
const LIFETIME = duration(MINUTE, hubLimits.messageLifetimeMs.value);
const count = z.int().min(1).max(100).nullish();
const queue = {
  lockDurationAsIso8601: duration(5000, 5 * MINUTE).nullish(),
  ttlAsIso8601: LIFETIME.nullish(),
  maxDeliveryCount: count,
};

/**
 * What of a hub's properties is kept as it is told, and shown again; of it `cloudToDevice` has an effect. Read-only members that come along, as from a
 * GET, are left out. Source: swagger of Microsoft.Devices/IotHubs, IotHubProperties; bounds: hub/iot-hub-devguide-messages-c2d and -read-builtin.
 */
export const hubSettings = {
  eventHubEndpoints: z
    .record(
      z.string(),
      z.object({ retentionTimeInDays: z.int().min(1).max(7).nullish(), partitionCount: z.int().min(1).max(128).nullish() }),
    )
    .nullish(),
  messagingEndpoints: z.record(z.string(), z.object(queue)).nullish(),
  cloudToDevice: z
    .object({ maxDeliveryCount: count, defaultTtlAsIso8601: LIFETIME.nullish(), feedback: z.object(queue).nullish() })
    .nullish(),
  comments: z.string().nullish(),
  features: z.enum(['None', 'DeviceManagement']).nullish(),
  minTlsVersion: z.string().nullish(),
  enableDataResidency: z.boolean().nullish(),
};

/** Their names. */
export const HUB_SETTINGS = Object.keys(hubSettings) as readonly (keyof typeof hubSettings)[];

// Source: swagger of Microsoft.Devices/IotHubs, iothub_get.json.
const QUEUE = { lockDurationAsIso8601: 'PT1M', ttlAsIso8601: 'PT1H', maxDeliveryCount: 10 };
const TO_DEVICE = { maxDeliveryCount: 10, defaultTtlAsIso8601: 'PT1H' };

/** The queues of a hub as they are shown: what it was not told has Azure's default, since `az iot hub update` writes into what it has read. */
export function queuesOf({ cloudToDevice, messagingEndpoints }: JsonObject): object {
  const [toDevice, endpoints] = [membersOf(cloudToDevice), membersOf(messagingEndpoints)];
  return {
    cloudToDevice: { ...TO_DEVICE, ...toDevice, feedback: { ...QUEUE, ...membersOf(toDevice.feedback) } },
    messagingEndpoints: { ...endpoints, fileNotifications: { ...QUEUE, ...membersOf(endpoints.fileNotifications) } },
  };
}

// A member that is null was not told either.
function membersOf(value: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([, member]) => member !== null));
}
