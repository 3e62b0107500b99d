import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '@zerotouch/foundation/clock';
import { audit, type Finding } from '../audit/audit.js';
import { linesOf, modeOf } from '../audit/sources.js';
import { ManufacturingFault } from '../faults.js';
import { LEDGER_FILE, openLedger } from '../ledger/ledger.js';
import { MANIFEST_FILE } from '../manifest.js';
import { readManifest } from '../manifest-read.js';
import type { ManifestHead, ManifestRecord } from '../manifest-record.js';
import { batchReport, type ReportParts } from './report.js';

/** The devices of a batch as its manifest names them, one after the other; its head first. */
export async function* manifestRecords(folder: string): AsyncGenerator<ManifestRecord> {
  const path = join(folder, MANIFEST_FILE);
  if ((await modeOf(path)) === undefined) {
    throw new ManufacturingFault('AUDIT_PATH', 'the folder has no manifest', { where: path, expected: 'the folder of a burnt batch' });
  }
  for await (const { record } of readManifest(linesOf(path), undefined)) if (record !== undefined) yield record;
}

/**
 * Audits a batch as one that is to ship, and writes its report; with its ledger, which is in its folder unless an address is given. Findings go onto the page: this throws for none of them.
 * @throws ManufacturingFault AUDIT_PATH, LEDGER_*
 */
export async function reportBatch(folder: string, clock: Clock, ledger?: string): Promise<string> {
  const { head, groups } = await survey(folder);
  const findings: Finding[] = [];
  const summary = await audit({ paths: [folder], life: 'shipped', clock, ledger, onFinding: (finding) => findings.push(finding) });
  const manifestHash = await hashOf(join(folder, MANIFEST_FILE));
  const recorded = await recordedOf(folder, head.batch, ledger);
  return batchReport({ head, groups, manifestHash, ...recorded, audit: { ...summary, findings }, madeAt: clock.now() });
}

async function survey(folder: string): Promise<Pick<ReportParts, 'head' | 'groups'>> {
  let head: ManifestHead | undefined;
  const groups = new Map<string, { name: string; attestation: string; devices: number; first: string; last: string }>();
  for await (const record of manifestRecords(folder)) {
    if (record.type === 'batch') head = record;
    if (record.type !== 'device') continue;
    const name = record.enrolmentGroup ?? 'individual';
    const known = groups.get(`${name} ${record.attestation}`);
    const { registrationId, attestation } = record;
    if (known === undefined)
      groups.set(`${name} ${attestation}`, { name, attestation, devices: 1, first: registrationId, last: registrationId });
    else Object.assign(known, { devices: known.devices + 1, last: registrationId });
  }
  if (head !== undefined) return { head, groups: [...groups.values()] };
  throw new ManufacturingFault('AUDIT_PATH', 'the manifest has no head', { where: join(folder, MANIFEST_FILE) });
}

async function recordedOf(folder: string, batch: string, address: string | undefined): Promise<Pick<ReportParts, 'states' | 'events'>> {
  const path = join(folder, LEDGER_FILE);
  if (address === undefined && (await modeOf(path)) === undefined) return {};
  const ledger = await openLedger(address ?? `sqlite:${path}`);
  try {
    return { states: await ledger.counts(batch), events: await ledger.events(batch) };
  } finally {
    await ledger.close();
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
