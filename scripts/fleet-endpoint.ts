import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { isAzureDps, LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import type { Endpoint } from '@zerotouch/firmware-sim/boot/ports';
import { CLOUD_FILE, readCloudFile } from '@zerotouch/firmware-sim/runtime/cloud-file';
import type { FleetSpec } from '@zerotouch/fleet-sim/fleet';
import { Fault } from '@zerotouch/foundation/fault';
import { estimateFleet, estimateWords } from './fleet-estimate.js';
import type { Job } from './job.js';

/** Where a fleet goes, as options say. */
export interface EndpointFlags {
  cloud?: string;
  endpoint?: string;
  confirm?: string;
  maxRate: number;
}

/** Who may be asked. */
export interface Person {
  readonly input: NodeJS.ReadableStream & { isTTY?: boolean };
  readonly output: NodeJS.WritableStream & { isTTY?: boolean };
}

/**
 * The local cloud of this folder; or a real endpoint, which takes a rate that it allows, an estimate of what it costs, and its name a second
 * time: in `--confirm`, or typed at a terminal.
 * @throws Fault NO_LOCAL_CLOUD, NOT_CONFIRMED, ID_SCOPE_MISMATCH; FleetFault IMAGES_MISSING, IMAGE_UNUSABLE
 */
export async function chooseEndpoint(
  spec: FleetSpec,
  flags: EndpointFlags,
  { output, signal }: Pick<Job, 'output' | 'signal'>,
  person: Person = { input: process.stdin, output: process.stderr },
): Promise<Endpoint> {
  const { cloud, endpoint, confirm, maxRate } = flags;
  if (endpoint === undefined) {
    if (cloud !== undefined || existsSync(CLOUD_FILE)) return readCloudFile(cloud ?? CLOUD_FILE);
    throw new Fault('NO_LOCAL_CLOUD', 'no local cloud runs in this folder', {
      where: CLOUD_FILE,
      remedy: 'start `zerotouch cloud --enrollments BATCH` here, or name its file with --cloud',
    });
  }
  const perSecond = rateOf(spec, endpoint, maxRate);
  const { devices, idScope } = await measure(spec);
  if (isAzureDps(endpoint)) refuseLocalScope(idScope, spec.images);
  const estimate = estimateFleet(spec, devices, perSecond);
  output.event({ event: 'estimate', endpoint, ...estimate }, `${endpoint}: ${estimateWords(estimate)}`);
  const isPerson = person.input.isTTY === true && person.output.isTTY === true;
  const named = confirm ?? (isPerson ? await ask(endpoint, person, signal) : undefined);
  if (named === endpoint) return { dpsHost: endpoint, dpsPort: 8883 };
  throw new Fault('NOT_CONFIRMED', 'these devices would register with a service that is not of this machine', {
    where: endpoint,
    seen: named === undefined ? estimateWords(estimate) : named,
    expected: confirm === undefined && isPerson ? endpoint : `--confirm ${endpoint}`,
    remedy: 'name the endpoint again when that is what you want; nothing has been powered on',
  });
}

/** How many devices there will be, and for which ID scope. @throws as {@link chooseEndpoint}; SpecFault of a batch to be burnt */
async function measure(spec: FleetSpec): Promise<{ devices: number; idScope: string }> {
  if (spec.burn !== undefined) {
    const { plannedImages, readFleetBatch } = await import('@zerotouch/fleet-sim/burning');
    const batch = await readFleetBatch(spec.burn);
    return { devices: plannedImages(batch, spec).length, idScope: batch.idScope };
  }
  const { factoryIn, listImages } = await import('@zerotouch/fleet-sim/images');
  const images = await listImages(spec.images, spec.devices);
  return { devices: images.length, idScope: factoryIn(images[0] ?? '').idScope };
}

/** A batch has one ID scope: its first image tells it. @throws Fault ID_SCOPE_MISMATCH */
function refuseLocalScope(idScope: string, where: string): void {
  if (idScope !== LOCAL_ID_SCOPE) return;
  throw new Fault('ID_SCOPE_MISMATCH', 'these images were burnt for the local cloud: Azure would refuse every device', {
    where,
    seen: idScope,
    expected: 'the ID scope of your DPS instance (az iot dps show: properties.idScope)',
    remedy: 'say idScope in the batch spec, and burn into another folder',
  });
}

/** The rate of a fleet that a real endpoint takes. @throws Fault NOT_CONFIRMED */
function rateOf({ powerOn }: FleetSpec, where: string, maxRate: number): number {
  if (powerOn.profile !== 'staggered' && powerOn.profile !== 'poisson') {
    throw new Fault('NOT_CONFIRMED', 'a real endpoint takes only a fleet with a rate', {
      where,
      seen: `profile ${powerOn.profile}`,
      expected: 'powerOn with profile staggered or poisson and perSecond',
      remedy: `DPS takes 1000 registrations a minute: stay below perSecond: ${maxRate}`,
    });
  }
  if (powerOn.perSecond <= maxRate) return powerOn.perSecond;
  throw new Fault('NOT_CONFIRMED', 'a real endpoint takes only so many devices a second', {
    where,
    seen: powerOn.perSecond,
    expected: `powerOn.perSecond of ${maxRate} at most, what DPS takes (1000 registrations a minute)`,
    remedy: 'say less; or name your own limit with --max-rate when Azure has raised yours',
  });
}

async function ask(endpoint: string, { input, output }: Person, signal: AbortSignal): Promise<string> {
  const line = createInterface({ input, output });
  try {
    return (await line.question(`Type the name of the endpoint to go on (${endpoint}): `, { signal })).trim();
  } finally {
    line.close();
  }
}
