/** Who acts at a hub: a device, or a module of one. */
export interface Identity {
  deviceId: string;
  /** `undefined`: the device itself. */
  moduleId?: string | undefined;
}

/** One text for an identity, for maps: device ids hold no slash. */
export function identityKey({ deviceId, moduleId }: Identity): string {
  return moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
}

/** An identity for people. */
export function identityName({ deviceId, moduleId }: Identity): string {
  return moduleId === undefined
    ? `device ${JSON.stringify(deviceId)}`
    : `module ${JSON.stringify(moduleId)} of device ${JSON.stringify(deviceId)}`;
}

/** Ids of devices and modules. Source: hub/iot-hub-devguide-identity-registry. */
export const HUB_ID = /^[A-Za-z0-9\-.+%_#*?!(),:=@$']{1,128}$/;

/** The modules that every IoT Edge device has. Source: iot-edge/iot-edge-runtime. */
export const EDGE_MODULES = ['$edgeAgent', '$edgeHub'] as const;
