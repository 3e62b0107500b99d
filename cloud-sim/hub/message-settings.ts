import { hubLimits } from '@zerotouch/azure-wire/limits';
import type { HubRecord } from '../store/store.js';

/** How long a hub keeps cloud-to-device messages. */
export interface MessageSettings {
  /** Of messages that name no expiry. */
  lifetimeMs: number;
  /** Times that a message is abandoned until it is dead. */
  deliveryCount: number;
}

/** What a hub was told of cloud-to-device messages, or Azure's defaults. Source: hub/iot-hub-devguide-messages-c2d, "configuration options". */
export function messageSettings({ properties }: Pick<HubRecord, 'properties'>): MessageSettings {
  const told = (properties?.cloudToDevice ?? {}) as { maxDeliveryCount?: number; defaultTtlAsIso8601?: string };
  return {
    lifetimeMs: durationMs(told.defaultTtlAsIso8601 ?? '') ?? hubLimits.messageDefaultLifetimeMs.value,
    deliveryCount: told.maxDeliveryCount ?? hubLimits.deliveryCount.value,
  };
}

/** Milliseconds of a duration of ISO 8601 in days, hours, minutes and seconds; `undefined` for any other text. */
export function durationMs(text: string): number | undefined {
  const parts = /^P(?!$)(?:(\d{1,6})D)?(?:T(?!$)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6}(?:\.\d{1,6})?)S)?)?$/.exec(text);
  if (parts === null) return undefined;
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
}
