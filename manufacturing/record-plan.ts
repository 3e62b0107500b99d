import { createHash } from 'node:crypto';
import type { SourcesRequest } from './batch-sources.js';
import { ManufacturingFault } from './faults.js';
import type { Ledger, PlannedRow } from './ledger/ledger.js';
import type { MacOf } from './mac.js';
import { refuseUnknown } from './out-folder.js';
import { type BatchPlan, devicesIn } from './plan.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';

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
  macs: ReadonlyMap<GroupSpec, MacOf>,
): Promise<void> {
  const { batch } = spec;
  const text = recordedSpec(spec);
  const specDigest = createHash('sha256').update(text).digest('hex');
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
  throw new ManufacturingFault('BATCH_DIFFERS', 'the batch was begun with another spec', {
    where: ledger.where,
    seen: `${batch}, ${known?.devices} devices`,
    expected: 'the spec it was begun with',
    remedy: 'put the spec back as it was, and plan further devices as a batch of their own',
  });
}

/** The spec as the ledger keeps it: without the places of files, which differ from station to station. */
function recordedSpec({ authority: _authority, partitions: _partitions, app: _app, bootloader: _bootloader, ...alike }: BatchSpec): string {
  const groups = alike.groups.map(({ mac, certificateRequests, ...group }) => ({
    ...group,
    ...(mac === undefined ? {} : { mac: mac.csv === undefined ? mac : 'csv' }),
    ...(certificateRequests === undefined ? {} : { certificateRequests: true }),
  }));
  return JSON.stringify({ ...alike, groups });
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
