import { join } from 'node:path';
import { ENROLMENT_FILE, type EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { readEfuseBeside } from '@zerotouch/flash-image/efuse';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { audit, type Finding } from '@zerotouch/manufacturing/audit/audit';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseEnrolments } from '@zerotouch/manufacturing/enrol-file';
import { openAzureService } from '@zerotouch/manufacturing/enroll/azure-service';
import { type EnrolSummary, enrolBatch } from '@zerotouch/manufacturing/enroll/enrol-batch';
import { systemFiles } from '@zerotouch/manufacturing/files';
import { LEDGER_FILE, openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { imageName } from '@zerotouch/manufacturing/out-folder';
import { moveDevices } from '@zerotouch/manufacturing/rework/rework';
import { parseSpec } from '@zerotouch/manufacturing/spec';

/** What the example line does; see {@link runLine}. */
export interface LineOptions {
  /** The batch spec, YAML or JSON. */
  spec: string;
  /** Folder of the batch. */
  out: string;
  /** Registration ids of the devices that are powered on before the batch ships. */
  sample: readonly string[];
  /** Told at each step. */
  say: (text: string) => void;
}

/** How the line ended. */
export interface LineSummary {
  burnt: number;
  audited: number;
  enrolled: EnrolSummary;
  /** Hubs that the sample landed on, by registration id. */
  booted: Record<string, string>;
  shipped: number;
}

/**
 * A whole factory line, against a local cloud: burns a batch, audits it, enrols it, powers a sample on, ships it. It is an example to start a line of
 * your own from: the steps are the public functions, in the order that lets nothing leave that was not looked at.
 * @throws where a step finds that the batch must not ship
 */
export async function runLine({ spec: text, out, sample, say }: LineOptions): Promise<LineSummary> {
  const spec = parseSpec(text, 'line.yaml');
  const clock = systemClock;
  const entropy = systemEntropy;

  const burnt = await burnBatch(spec, { out, clock, entropy });
  if (burnt.failed > 0) throw new Error(`${burnt.failed} devices failed, the first: ${burnt.failures[0]?.reason}`);
  say(`burnt: ${burnt.burnt} devices in ${burnt.seconds.toFixed(1)} s`);

  const findings: Finding[] = [];
  const audited = await audit({ paths: [out], spec, life: 'shipped', clock, onFinding: (finding) => findings.push(finding) });
  const [worst] = findings.filter(({ severity }) => severity === 'error');
  if (worst !== undefined) throw new Error(`${audited.errors} errors, the first: ${worst.code} in ${worst.image ?? worst.where}`);
  say(`verified: ${audited.images} images, ${audited.warnings} warnings`);

  await using cloud = await startCloud({ retryAfterSeconds: 0 });
  const { certificates, ...enrolments } = await readEnrolments(out);
  // On Azure this is `az iot dps certificate create ... --verified true`, once for each root.
  for (const certificate of certificates) await cloud.enrolments.putCertificate(certificate);
  const service = await openAzureService({ connectionString: cloud.dps.serviceConnectionString, ca: cloud.ca, timeout: 30_000 });
  const enrolled = await enrolBatch({ ...enrolments, certificates }, { service, clock, entropy }).finally(() => service.close());
  say(`enrolled: ${enrolled.created} created, ${enrolled.updated} updated, ${enrolled.unchanged} unchanged`);

  const endpoint = {
    dpsHost: 'localhost',
    dpsPort: cloud.dps.mqttPort,
    gateway: { host: 'localhost', port: cloud.dps.mqttPort },
    ca: cloud.ca,
  };
  const booted: Record<string, string> = {};
  for (const registrationId of sample) {
    const path = join(out, imageName(registrationId));
    const bytes = await systemFiles.read(path);
    if (bytes === undefined) throw new Error(`${registrationId} has no image`);
    const efuse = readEfuseBeside(path);
    // In memory: what a device has written to does not ship.
    const device = await powerOn({
      flash: memoryStorage(bytes),
      ...(efuse === undefined ? {} : { efuse }),
      client: 'wire',
      endpoint,
      giveUpWhenRefused: true,
      signal: AbortSignal.timeout(60_000),
    });
    if (device.hub !== undefined) booted[registrationId] = device.hub;
    await device.stop();
  }
  say(`booted: ${Object.keys(booted).length} of a sample of ${sample.length}`);

  const ledger = await openLedger(`sqlite:${join(out, LEDGER_FILE)}`);
  const author = { station: 'line example' };
  const shipped = await moveDevices({
    ledger,
    batch: spec.batch,
    move: 'ship',
    devices: { states: ['verified'] },
    reason: 'passed the line',
    author,
  }).finally(() => ledger.close());
  say(`shipped: ${shipped}`);
  return { burnt: burnt.burnt, audited: audited.images, enrolled, booted, shipped };
}

async function readEnrolments(out: string): Promise<EnrolmentFile> {
  const path = join(out, ENROLMENT_FILE);
  const bytes = await systemFiles.read(path);
  return parseEnrolments(bytes?.toString('utf8') ?? '', path);
}
