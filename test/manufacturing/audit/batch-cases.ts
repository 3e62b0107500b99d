import { X509Certificate } from 'node:crypto';
import { chmodSync, cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { type AuditOptions, audit, type Finding, type FindingCode } from '@zerotouch/manufacturing/audit/audit';
import { openAuthority } from '@zerotouch/manufacturing/authority';
import { systemFiles } from '@zerotouch/manufacturing/files';
import { type Ledger, openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import { openManifestSigner } from '@zerotouch/manufacturing/manifest-signer';
import { manifestLines } from '@zerotouch/manufacturing/manifest-write';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import { burn, manifestIn } from '../workbench.js';
import type { Case } from './image-cases.js';

export const spec = `version: 1
batch: works
groups:
  - { enrolmentGroup: x, attestation: x509, registrationId: 'x-{serial}', serial: { start: 1, count: 2 } }
  - { enrolmentGroup: k, attestation: symmetric-key, registrationId: 'k-{serial}', serial: { start: 3, count: 2 } }
`;

/** Audits a path and gathers what is told. */
export async function found(path: string, options: Partial<AuditOptions> = {}): Promise<Finding[]> {
  const findings: Finding[] = [];
  const summary = await audit({
    paths: [path],
    clock: systemClock,
    life: 'shipped',
    onFinding: (finding) => findings.push(finding),
    ...options,
  });
  const count = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
  if (summary.errors !== count('error') || summary.warnings !== count('warning')) throw new Error('the summary miscounts');
  return findings;
}

/** Every code that takes a batch to show: each changes a sound one. */
export async function batchCases(dir: string): Promise<Partial<Record<FindingCode, Case>>> {
  const sound = join(dir, 'sound');
  await burn(spec, sound);
  let copies = 0;
  const changed =
    (change: (folder: string) => void | Promise<void>, options: Partial<AuditOptions> = {}) =>
    async () => {
      const folder = join(dir, `copy-${copies++}`);
      cpSync(sound, folder, { recursive: true });
      await change(folder);
      return found(folder, options);
    };
  const good = () => found(sound);
  const against = (change: (folder: string) => void | Promise<void>, options: Partial<AuditOptions> = {}): Case => ({
    bad: changed(change, options),
    good,
  });
  const enrolments = (change: (file: EnrolmentFile) => void): Case =>
    against((folder) => {
      const path = join(folder, 'enrolments.json');
      const file = JSON.parse(readFileSync(path, 'utf8')) as EnrolmentFile;
      change(file);
      writeFileSync(path, JSON.stringify(file));
    });
  const lines = (change: (all: string[]) => string[]): Case =>
    against((folder) => {
      const path = join(folder, 'manifest.jsonl');
      writeFileSync(path, `${change(readFileSync(path, 'utf8').trimEnd().split('\n')).join('\n')}\n`);
    });
  const event = { batch: 'works', subject: '', detail: {}, reason: 'r' };
  const withLedger = (work: (ledger: Ledger) => Promise<unknown>) =>
    changed(async (folder) => {
      const ledger = await openLedger(`sqlite:${join(folder, 'ledger.db')}`);
      await work(ledger).finally(() => ledger.close());
    });
  const inLedger = (work: (ledger: Ledger) => Promise<unknown>): Case => ({ bad: withLedger(work), good });
  const lineOf = (folder: string) => new X509Certificate(readFileSync(join(folder, 'ca', 'line-x.pem'))).fingerprint256;
  const groupOf = (file: EnrolmentFile, index: number) => file.enrollmentGroups[index] ?? { enrollmentGroupId: '' };
  const flip = (folder: string, offset: number): void => {
    const path = join(folder, 'images', 'x-000001.bin');
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset);
    writeFileSync(path, bytes);
  };

  return {
    ENROLMENT_DISABLED: enrolments((file) => Object.assign(groupOf(file, 0), { provisioningStatus: 'disabled' })),
    ENROLMENT_AMBIGUOUS: enrolments((file) => file.enrollmentGroups.push({ ...file.enrollmentGroups[0], enrollmentGroupId: 'y' } as never)),
    GROUP_ID_BAD: enrolments((file) => Object.assign(groupOf(file, 1), { enrollmentGroupId: 'k@works' })),
    ALLOCATION_INCOMPLETE: enrolments((file) => Object.assign(groupOf(file, 0), { allocationPolicy: 'static', iotHubs: [] })),
    CA_UNPROVED: enrolments((file) => {
      for (const { verification } of file.certificates) verification.code = 'ANOTHER';
    }),
    ENROLMENTS_UNREADABLE: against((folder) => writeFileSync(join(folder, 'enrolments.json'), '{"version":1')),
    IMAGE_MISSING: against((folder) => rmSync(join(folder, 'images', 'k-000003.bin'))),
    MANIFEST_MISSING: against((folder) => rmSync(join(folder, 'manifest.jsonl'))),
    MANIFEST_UNREADABLE: lines((all) => all.with(2, 'garbage')),
    MANIFEST_VERSION: lines(() => ['{', '  "version": 1,', '  "devices": []', '}']),
    MANIFEST_SIGNATURE: lines((all) => all.with(1, (all[1] ?? '').replace(/.{8}"}$/, 'AAAAAAAA"}'))),
    MANIFEST_CHAIN: lines((all) => all.toSpliced(2, 1)),
    MANIFEST_INCOMPLETE: lines((all) => all.slice(0, -1)),
    MANIFEST_UNTRUSTED: against(async (folder) => {
      // Somebody with a CA of their own rewrites the whole manifest.
      const common = { directory: join(dir, 'forger'), batch: 'works', clock: systemClock, entropy: systemEntropy, files: systemFiles };
      const { root } = await openAuthority({ ...common, lines: [], until: new Date(Date.now() + 1e9) });
      const { devices, ...head } = manifestIn(folder);
      const forged: string[] = [];
      for await (const line of manifestLines(head, devices, await openManifestSigner({ ...common, root }))) forged.push(line);
      writeFileSync(join(folder, 'manifest.jsonl'), forged.join(''));
    }),
    MANIFEST_UNVOUCHED: {
      bad: changed((folder) => {
        for (const name of ['root.pem', 'manifest.pem']) rmSync(join(folder, 'ca', name));
      }),
      good: changed((folder) => renameSync(join(folder, 'ca'), join(folder, 'elsewhere')), { root: join(sound, 'ca', 'root.pem') }),
    },
    MANIFEST_MISMATCH: {
      // After the last TLV: nothing but the manifest knows what belongs there.
      bad: changed((folder) => flip(folder, 0xd000 + 0x1fff)),
      good: changed((folder) => flip(folder, 0x10000 + 0x5000), { life: 'fielded' }),
    },
    NOT_IN_MANIFEST: against((folder) => cpSync(join(folder, 'images', 'x-000001.bin'), join(folder, 'images', 'x-000009.bin'))),
    LEDGER_MISMATCH: inLedger((ledger) => ledger.transition('k-000003', 'scrapped', 'fell off the bench', { station: 'test' })),
    DEVICE_QUARANTINED: inLedger((ledger) => ledger.transition('k-000003', 'quarantined', 'jig out of line', { station: 'test' })),
    ENROLMENT_REVOKED: {
      bad: withLedger((ledger) => ledger.record({ ...event, kind: 'revoked', subject: 'X' }, { station: 'test' })),
      good: withLedger(async (ledger) => {
        await ledger.record({ ...event, kind: 'revoked', subject: '' }, { station: 'test' });
        await ledger.record({ ...event, kind: 'reinstated', subject: '' }, { station: 'test' });
      }),
    },
    AUTHORITY_LEAKED: {
      bad: withLedger((ledger) =>
        ledger.record({ ...event, kind: 'authority-replacing', detail: { replaced: [lineOf(sound)] } }, { station: 'test' }),
      ),
      good: withLedger((ledger) =>
        ledger.record({ ...event, kind: 'authority-replacing', detail: { replaced: ['AB'] } }, { station: 'test' }),
      ),
    },
    // Told of an image elsewhere; here of the files beside the images.
    FILE_EXPOSED: against((folder) => chmodSync(join(folder, 'ca', 'root.key'), 0o644)),
  };
}

/** The same devices planned by a spec that has one more. */
export const largerSpec = parseSpec(spec.replace('start: 3, count: 2', 'start: 3, count: 3'), 'batch.yaml');
export const sameSpec = parseSpec(spec, 'batch.yaml');
