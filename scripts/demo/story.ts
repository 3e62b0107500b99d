import { setMaxListeners } from 'node:events';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { Deadline } from '@zerotouch/firmware-sim/runtime/deadline';
import type { ClientName, Device } from '@zerotouch/firmware-sim/runtime/power-on';

/** How one device of the demo ended. */
export interface DeviceStory {
  readonly registrationId: string;
  readonly client: ClientName;
  readonly hub: string | undefined;
  readonly bootMs: number | undefined;
  /** Why it is not running, or `undefined` when it is. */
  readonly failure: string | undefined;
}

/** The spec of the demo's batch: half of the devices with a certificate, half with a derived key. */
export function demoSpec(devices: number): string {
  const certified = Math.ceil(devices / 2);
  const keyed = devices - certified;
  const group = (id: string, attestation: string, start: number, count: number, seconds: number): string =>
    count === 0
      ? ''
      : `  - enrolmentGroup: ${id}
    attestation: ${attestation}
    registrationId: thermo-{serial}
    serial: { start: ${start}, count: ${count} }
    initialTwin: { tags: { line: 7 }, desired: { telemetryIntervalSeconds: ${seconds} } }
`;
  return `version: 1
batch: demo
groups:
${group('thermo-x509', 'x509', 1, certified, 10)}${group('thermo-key', 'symmetric-key', certified + 1, keyed, 60)}`;
}

/**
 * Boots images side by side; what each device tells goes to `watch` before it is switched on. A device that is running stays on.
 */
export async function bootAll(
  images: readonly { registrationId: string; path: string }[],
  cloud: Cloud,
  { timeoutMs, signal, watch }: { timeoutMs: number; signal: AbortSignal; watch: (device: Device, registrationId: string) => void },
): Promise<{ device: Device | undefined; story: DeviceStory }[]> {
  const { powerOn } = await import('@zerotouch/firmware-sim/runtime/power-on');
  const { host, port } = { host: 'localhost', port: cloud.dps.mqttPort };
  const endpoint = { dpsHost: host, dpsPort: port, gateway: { host, port }, ca: cloud.ca };
  using limit = new Deadline(signal, timeoutMs);
  // Every device listens to it, and there are as many as the user asks for.
  setMaxListeners(0, limit.signal);
  return await Promise.all(
    images.map(async ({ registrationId, path }, index) => {
      // Every other device speaks through our own client: the two must be told apart by nothing but this line.
      const client: ClientName = index % 2 === 0 ? 'sdk' : 'wire';
      try {
        const device = await powerOn({
          flash: path,
          client,
          endpoint,
          signal: limit.signal,
          giveUpWhenRefused: true,
          watch: (watched) => watch(watched, registrationId),
        });
        return { device, story: { registrationId, client, hub: device.hub, bootMs: device.bootMs, failure: undefined } };
      } catch (error) {
        const failure = error instanceof Error ? error.message : String(error);
        return { device: undefined, story: { registrationId, client, hub: undefined, bootMs: undefined, failure } };
      }
    }),
  );
}
