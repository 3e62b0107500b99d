import { join } from 'node:path';
import { ENROLMENT_FILE } from '@zerotouch/azure-wire/enrolment';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseEnrolments } from '@zerotouch/manufacturing/enrol-file';
import { systemFiles } from '@zerotouch/manufacturing/files';
import { imageName } from '@zerotouch/manufacturing/out-folder';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import { PredictiveMaintenance } from './predictive-maintenance.js';
import { RemoteMonitoring } from './remote-monitoring.js';
import { type Running, runWorkload, type Workload } from './workload.js';

/** Two devices, each with what it is for in its initial twin. */
const SPEC = `version: 1
batch: solutions
groups:
  - enrolmentGroup: boilers
    attestation: x509
    registrationId: boiler-{serial}
    serial: { start: 1, count: 1 }
    initialTwin:
      tags: { solution: remote-monitoring }
      desired: { telemetryIntervalSeconds: 1, thresholds: { celsiusHigh: 80, celsiusLow: 70 } }
  - enrolmentGroup: pumps
    attestation: symmetric-key
    registrationId: pump-{serial}
    serial: { start: 2, count: 1 }
    initialTwin:
      tags: { solution: predictive-maintenance }
      desired:
        telemetryIntervalSeconds: 1
        model: { version: v1, mean: 1, deviation: 0.25, weight: 0.2, watchAt: 2, dueAt: 4 }
`;

/** What the devices measure with. */
export interface Sensors {
  /** Degrees Celsius. */
  celsius: () => number;
  /** Vibration, mm/s. */
  vibration: () => number;
}

/** The two devices at work. */
export interface Solutions {
  readonly boiler: Running;
  readonly pump: Running;
  stop(): Promise<void>;
}

/** Burns a boiler and a pump into a folder, enrols them at a local cloud, and powers them on: each finds its hub, is configured, and begins to work. */
export async function startSolutions({ cloud, out, sensors }: { cloud: Cloud; out: string; sensors: Sensors }): Promise<Solutions> {
  await burnBatch(parseSpec(SPEC, 'solutions.yaml'), { out, clock: systemClock, entropy: systemEntropy });
  const file = join(out, ENROLMENT_FILE);
  await cloud.import(parseEnrolments((await systemFiles.read(file))?.toString('utf8') ?? '', file));
  const gateway = { host: 'localhost', port: cloud.dps.mqttPort };
  const endpoint = { dpsHost: gateway.host, dpsPort: gateway.port, gateway, ca: cloud.ca };
  const start = (id: string, workload: Workload): Promise<Running> =>
    runWorkload(workload, { flash: join(out, imageName(id)), endpoint, giveUpWhenRefused: true, signal: AbortSignal.timeout(60_000) });
  const boiler = await start('boiler-000001', new RemoteMonitoring(sensors.celsius));
  const pump = await start('pump-000002', new PredictiveMaintenance(sensors.vibration));
  return {
    boiler,
    pump,
    stop: async () => {
      await Promise.all([boiler.stop(), pump.stop()]);
    },
  };
}
