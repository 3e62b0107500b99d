/** A JSON object as a twin holds it. */
export type JsonObject = { [key: string]: JsonValue };
export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;

/** A twin as the device reads it. Source: iot-mqtt-connect-to-iot-hub (no `properties` wrapper, no tags). */
export interface DeviceTwinDocument {
  desired: JsonObject & { $version: number };
  reported: JsonObject & { $version: number };
}

/** Whether a value is a JSON object (no array, no null). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A patch laid over a section of a twin: objects merge, null removes, everything else replaces. Neither argument is changed.
 * Members that start with `$` are the service's own and are skipped. Source: iot-hub-devguide-device-twins; RFC 7396.
 */
export function mergeTwin(section: JsonObject, patch: JsonObject): JsonObject {
  const merged: JsonObject = { ...section };
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue;
    if (value === null) delete merged[key];
    else if (isJsonObject(value)) define(merged, key, mergeTwin(isJsonObject(own(merged, key)) ? (merged[key] as JsonObject) : {}, value));
    else define(merged, key, value);
  }
  return merged;
}

/** A section without the service's own members (`$version`, `$metadata`). */
export function withoutService(section: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(section).filter(([key]) => !key.startsWith('$')));
}

function own(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

// A plain assignment to `__proto__` would change the object's prototype instead of adding a member.
function define(object: JsonObject, key: string, value: JsonValue): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}
