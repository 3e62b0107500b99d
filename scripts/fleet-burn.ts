import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { CLOUD_FILE } from '@zerotouch/firmware-sim/runtime/cloud-file';
import type { BurnParts } from '@zerotouch/fleet-sim/burning';
import type { FleetSpec } from '@zerotouch/fleet-sim/fleet';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { Fault } from '@zerotouch/foundation/fault';
import type { DpsService } from '@zerotouch/manufacturing/enroll/service';
import { readCustodySecrets } from './custody-secrets.js';
import { openService } from './dps-target.js';
import { tellCertificates } from './enrol-certificates.js';
import type { Job } from './job.js';
import { LocalCloud, type Resource } from './operate/local-cloud.js';

/** Where a fleet that burns its images enrols them. */
export interface FleetBurnFlags {
  cloud?: string;
  endpoint?: string;
  /** Reference to the service connection string of a DPS instance. */
  to?: string;
}

/** Until a request of the service API counts as unanswered, seconds. */
const TIMEOUT_S = 30;

/** {@link BurnParts}, to be closed after use. */
export interface OpenBurnParts extends BurnParts, Disposable {}

/**
 * What a fleet needs to burn its images as it goes: the secrets of the CA keys, and the way to the DPS that its devices ask.
 * @returns `undefined` where its images are burnt
 * @throws Fault NO_SERVICE, SECRET_*; FleetFault BATCH_UNREADABLE; SpecFault
 */
export async function openBurnParts(spec: FleetSpec, flags: FleetBurnFlags, job: Job): Promise<OpenBurnParts | undefined> {
  if (spec.burn === undefined) return undefined;
  const { readFleetBatch } = await import('@zerotouch/fleet-sim/burning');
  const batch = await readFleetBatch(spec.burn);
  const { cloud = CLOUD_FILE, endpoint, to } = flags;
  if (endpoint !== undefined && to === undefined) {
    throw new Fault('NO_SERVICE', 'what is burnt as it goes is enrolled as it goes, and nobody said where', {
      where: endpoint,
      expected: '--to with the service connection string of that DPS instance',
      remedy: 'or burn and enrol first, and say images in the spec',
    });
  }
  const { out, spec: where } = spec.burn;
  let service: DpsService | undefined;
  const enrol = async (file: EnrolmentFile): Promise<void> => {
    service ??= await openService(file, where, { to, cloud, timeout: TIMEOUT_S });
    const { enrolBatch } = await import('@zerotouch/manufacturing/enroll/enrol-batch');
    if (to === undefined) await verifyLocally(file, cloud, job.signal);
    else tellCertificates(file, out, false, job);
    await enrolBatch(file, { service, clock: systemClock, entropy: systemEntropy, signal: job.signal });
  };
  const secrets = await readCustodySecrets(batch);
  return {
    secrets,
    enrol,
    onEvent: (event) => {
      if (event.kind === 'warning') job.output.event({ event: 'warning', ...event.warning }, `warning: ${event.warning.message}`);
    },
    [Symbol.dispose]: () => service?.close(),
  };
}

/** Uploads CA certificates to the local cloud as proved: what the service API of a DPS cannot do, its resource manager can. */
async function verifyLocally({ certificates }: EnrolmentFile, file: string, signal: AbortSignal): Promise<void> {
  if (certificates.length === 0) return;
  const cloud = await LocalCloud.open(file, signal);
  try {
    const { id } = await cloud.find('dps');
    const { value } = (await cloud.manage('dps', `${id}/certificates`)) as { value: Pick<Resource, 'name' | 'etag'>[] };
    for (const { name, certificate } of certificates) {
      const known = value.find((one) => one.name === name);
      await cloud.manage('dps', `${id}/certificates/${encodeURIComponent(name)}`, {
        method: 'PUT',
        headers: known?.etag === undefined ? {} : { 'if-match': known.etag },
        body: { properties: { certificate: Buffer.from(certificate).toString('base64'), isVerified: true } },
      });
    }
  } finally {
    cloud.close();
  }
}
