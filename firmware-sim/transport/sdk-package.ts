import { createRequire } from 'node:module';

/** The packages of the SDK that a device is given its clients and transports by. */
export interface SdkPackages {
  readonly 'azure-iot-common': typeof import('azure-iot-common');
  readonly 'azure-iot-device': typeof import('azure-iot-device');
  readonly 'azure-iot-device-amqp': typeof import('azure-iot-device-amqp');
  readonly 'azure-iot-device-mqtt': typeof import('azure-iot-device-mqtt');
  readonly 'azure-iot-provisioning-device': typeof import('azure-iot-provisioning-device');
  readonly 'azure-iot-provisioning-device-amqp': typeof import('azure-iot-provisioning-device-amqp');
  readonly 'azure-iot-provisioning-device-http': typeof import('azure-iot-provisioning-device-http');
  readonly 'azure-iot-provisioning-device-mqtt': typeof import('azure-iot-provisioning-device-mqtt');
  readonly 'azure-iot-security-symmetric-key': typeof import('azure-iot-security-symmetric-key');
  readonly 'azure-iot-security-x509': typeof import('azure-iot-security-x509');
}

const load = createRequire(import.meta.url);

/**
 * A package of the SDK, loaded at the first call: a device keeps in memory only what it speaks. Required and not imported, for Node reads each file of an
 * imported CommonJS package twice: once for the names that it exports.
 * @throws Error MODULE_NOT_FOUND when it was left out at installation
 */
export function sdkPackage<N extends keyof SdkPackages>(name: N): SdkPackages[N] {
  return load(name) as SdkPackages[N];
}
