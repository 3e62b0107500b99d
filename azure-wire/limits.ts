/** How much of something a service takes, and by which page that is known. */
export interface Limit {
  readonly value: number;
  readonly unit: string;
  readonly source: string;
}

const dpsPage = 'azure-docs includes/iot-dps-limits';
const c2dPage = 'azure-docs iot-hub-devguide-messages-c2d';
const hubPage = 'azure-docs iot-hub-devguide-quotas-throttling';

/** Limits of a Device Provisioning Service. */
export const dpsLimits = {
  registrationsPerMinute: { value: 1_000, unit: 'registrations a minute a service', source: dpsPage },
  operationsPerMinute: { value: 1_000, unit: 'operations a minute a service', source: dpsPage },
  pollsPerWindow: { value: 5, unit: 'polls a device in pollWindowMs', source: dpsPage },
  pollWindowMs: { value: 10_000, unit: 'ms', source: dpsPage },
  individualEnrolments: { value: 1_000_000, unit: 'enrolments', source: dpsPage },
  x509Groups: { value: 100, unit: 'groups', source: dpsPage },
  symmetricKeyGroups: { value: 100, unit: 'groups', source: dpsPage },
  certificateAuthorities: { value: 25, unit: 'certificates', source: dpsPage },
  linkedHubs: { value: 50, unit: 'hubs', source: dpsPage },
  messageBytes: { value: 96 * 1024, unit: 'bytes', source: dpsPage },
} as const satisfies Record<string, Limit>;

/** Limits of an IoT hub (S1, one unit) as far as a device meets them. */
export const hubLimits = {
  devices: { value: 1_000_000, unit: 'devices and modules', source: hubPage },
  connectionsPerSecond: { value: 100, unit: 'new connections a second', source: hubPage },
  telemetryBytes: { value: 256 * 1024, unit: 'bytes a message', source: hubPage },
  twinSectionBytes: { value: 32 * 1024, unit: 'bytes of desired or reported properties', source: hubPage },
  twinTagsBytes: { value: 8 * 1024, unit: 'bytes of tags', source: hubPage },
  twinDepth: { value: 10, unit: 'levels', source: 'azure-docs iot-hub-devguide-device-twins' },
  twinStringBytes: { value: 4 * 1024, unit: 'bytes a string value', source: 'azure-docs iot-hub-devguide-device-twins' },
  twinKeyBytes: { value: 1024, unit: 'bytes a key', source: 'azure-docs iot-hub-devguide-device-twins' },
  twinIntegerMax: {
    value: 4_503_599_627_370_496,
    unit: 'largest magnitude of an integer',
    source: 'azure-docs iot-hub-devguide-device-twins',
  },
  queuedMessages: { value: 50, unit: 'cloud-to-device messages that wait for a device', source: c2dPage },
  cloudToDeviceBytes: { value: 64 * 1024, unit: 'bytes a cloud-to-device message', source: hubPage },
  messageLockMs: { value: 60_000, unit: 'ms that a device may hold a message', source: c2dPage },
  messageDefaultLifetimeMs: { value: 3_600_000, unit: 'ms', source: c2dPage },
  messageLifetimeMs: { value: 2 * 86_400_000, unit: 'ms', source: c2dPage },
  deliveryCount: { value: 10, unit: 'times that a message is abandoned until it is dead', source: c2dPage },
  methodBytes: { value: 128 * 1024, unit: 'bytes of a method payload', source: 'azure-docs iot-hub-devguide-direct-methods' },
  modulesPerDevice: { value: 50, unit: 'modules a device', source: hubPage },
  configurations: { value: 100, unit: 'automatic device configurations a hub', source: hubPage },
  bulkDevices: { value: 100, unit: 'devices a bulk registry call', source: hubPage },
  keepAliveSeconds: { value: 1_177, unit: 's', source: 'azure-docs iot-mqtt-connect-to-iot-hub' },
  keepAliveServerSeconds: { value: 1_767, unit: 's the hub waits at most', source: 'azure-docs iot-mqtt-connect-to-iot-hub' },
} as const satisfies Record<string, Limit>;
