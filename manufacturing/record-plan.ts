import { createHash } from 'node:crypto';
import type { SourcesRequest } from './batch-sources.js';
import { ManufacturingFault } from './faults.js';
import type { FlashPlan } from './flash.js';
import type { Ledger, PlannedRow } from './ledger/ledger.js';
import type { MacOf } from './mac.js';
import { refuseUnknown } from './out-folder.js';
import { type BatchPlan, devicesIn } from './plan.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';

/** What a spec's files hold, besides what the spec itself says. */
export interface PlanInputs {
  readonly macs: ReadonlyMap<GroupSpec, MacOf>;
  readonly flash: FlashPlan;
}

/**
 * Records the batch with all of its devices, or makes sure that it is recorded as this spec has it.
 * @throws ManufacturingFault OUT_OCCUPIED, BATCH_DIFFERS, LEDGER_*
 */
export async function recordPlan(
  ledger: Ledger,
  { spec, total }: BatchPlan,
  session: string,
  request: SourcesRequest,
  resume: boolean,
  { macs, flash }: PlanInputs,
): Promise<void> {
  const { batch } = spec;
  const text = recordedSpec(spec, flash);
  const specDigest = sha256(text);
  if ((await ledger.batch(batch)) === undefined) await refuseUnknown(request.files, request.out);
  const planned = await ledger.plan({ batch, specDigest, spec: text, devices: total }, () => rowsOf(spec, macs), session);
  if (planned === 'planned') return;
  if (!resume) {
    throw new ManufacturingFault('OUT_OCCUPIED', 'the ledger already has a batch of this name', {
      where: ledger.where,
      seen: batch,
      expected: 'a new batch',
      remedy: 'name the batch differently; --resume goes on with the one that was begun',
    });
  }
  const known = await ledger.batch(batch);
  if (known?.specDigest === specDigest) return;
  const differs = differences(known?.spec, text);
  throw new ManufacturingFault('BATCH_DIFFERS', 'the batch was begun with another spec, or with other files', {
    where: ledger.where,
    seen: `${batch}, ${known?.devices} devices${differs.length === 0 ? '' : `: ${differs.join(', ')} changed`}`,
    expected: 'the spec it was begun with, and files with the same contents',
    remedy: 'put them back as they were, and plan further devices as a batch of their own',
  });
}

/** The members that two recorded specs do not have alike. */
function differences(one: string | undefined, other: string): string[] {
  const [begun, given] = [one ?? '{}', other].map((text) => JSON.parse(text) as Record<string, unknown>) as [object, object];
  const names = [...new Set([...Object.keys(begun), ...Object.keys(given)])];
  return names.filter((name) => JSON.stringify(Reflect.get(begun, name)) !== JSON.stringify(Reflect.get(given, name)));
}

/**
 * The spec as the ledger keeps it: with the contents of what goes into every image (SHA-256) instead of the places of files, which differ from
 * station to station.
 */
function recordedSpec(spec: BatchSpec, { layout, app, bootloader, serverRoots }: FlashPlan): string {
  const { authority: _authority, partitions, app: _app, bootloader: _bootloader, serverRoots: _serverRoots, ...alike } = spec;
  const groups = alike.groups.map(({ mac, certificateRequests, ...group }) => ({
    ...group,
    ...(mac === undefined ? {} : { mac: mac.csv === undefined ? mac : 'csv' }),
    ...(certificateRequests === undefined ? {} : { certificateRequests: true }),
  }));
  const files = {
    partitions: partitions === undefined ? undefined : sha256(JSON.stringify(layout)),
    app: app === undefined ? undefined : sha256(app),
    bootloader: bootloader === undefined ? undefined : sha256(bootloader),
    serverRoots: serverRoots === undefined ? undefined : sha256(serverRoots),
  };
  return JSON.stringify({ ...alike, groups, ...files });
}

function sha256(contents: string | Uint8Array): string {
  return createHash('sha256').update(contents).digest('hex');
}

function* rowsOf(spec: BatchSpec, macs: ReadonlyMap<GroupSpec, MacOf>): Generator<PlannedRow> {
  let position = 0;
  let start = 0;
  let current: GroupSpec | undefined;
  for (const { registrationId, serial, group } of devicesIn(spec)) {
    if (group !== current) [current, start] = [group, position];
    const { attestation, enrolment, enrolmentGroup } = group;
    const mac = macs.get(group)?.(position - start, { registrationId, serial });
    yield {
      position: position++,
      registrationId,
      serial,
      ...(mac === undefined ? {} : { mac }),
      attestation,
      enrolment,
      ...(enrolmentGroup === undefined ? {} : { enrolmentGroup }),
    };
  }
}
