import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { type FlashImage, openImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { seededEntropy, systemEntropy } from '@zerotouch/foundation/entropy';
import { type BurnOptions, type BurnSummary, burnBatch } from '@zerotouch/manufacturing/batch';
import type { ManifestDevice } from '@zerotouch/manufacturing/manifest';
import type { ManifestHead, ManifestRecord } from '@zerotouch/manufacturing/manifest-record';
import { parseSpec } from '@zerotouch/manufacturing/spec';

/** One group of each kind there is: 3 + 3 + 2 + 2 devices. */
export const MIXED = `version: 1
batch: mixed
groups:
  - enrolmentGroup: x-group
    attestation: x509
    registrationId: x-{serial}
    serial: { start: 1, count: 3 }
    initialTwin: { tags: { line: 7 }, desired: { telemetryIntervalSeconds: 10 } }
  - enrolmentGroup: k-group
    attestation: symmetric-key
    registrationId: k-{serial}
    serial: { start: 11, count: 3 }
    allocationPolicy: hashed
    iotHubs: [hub-weu.azure-devices.net]
  - enrolment: individual
    attestation: x509
    registrationId: xi-{serial}
    serial: { start: 21, count: 2 }
    provisioningStatus: disabled
  - enrolment: individual
    attestation: symmetric-key
    registrationId: ki:{serial}
    serial: { start: 31, count: 2 }
`;

export const MIXED_IDS = 'x-000001 x-000002 x-000003 k-000011 k-000012 k-000013 xi-000021 xi-000022 ki:000031 ki:000032'.split(' ');

/** A spec of one x509 group with these lines added at the top. */
export function certified(lines = '', count = 2): string {
  const group = `  - { enrolmentGroup: x-group, attestation: x509, registrationId: "x-{serial}", serial: { count: ${count} } }`;
  return `version: 1\nbatch: certified\n${lines}groups:\n${group}\n`;
}

/** A clock that stands at a moment. */
export function clockAt(moment: string): Clock {
  return { ...systemClock, now: () => Date.parse(moment) };
}

/** Burns a spec with real entropy unless a seed is given. */
export function burn(text: string, out: string, { seed, ...options }: Partial<BurnOptions> & { seed?: string } = {}): Promise<BurnSummary> {
  const entropy = seed === undefined ? systemEntropy : seededEntropy(seed);
  return burnBatch(parseSpec(text, 'batch.yaml'), { out, clock: systemClock, entropy, ...options });
}

/** What the manifest of a batch says, its signatures left aside. */
export function manifestIn(out: string): ManifestHead & { devices: ManifestDevice[] } {
  const lines = readFileSync(join(out, 'manifest.jsonl'), 'utf8').trimEnd().split('\n');
  const records = lines.map((line) => {
    const { jws } = JSON.parse(line) as { jws: string };
    return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as ManifestRecord;
  });
  const [head] = records;
  if (head?.type !== 'batch') throw new Error('the manifest has no head');
  return { ...head, devices: records.filter((record) => record.type === 'device') };
}

export function enrolmentsIn(out: string): EnrolmentFile {
  return JSON.parse(readFileSync(join(out, 'enrolments.json'), 'utf8')) as EnrolmentFile;
}

/** Opens the image that the manifest names for a device. */
export function imageOf(out: string, registrationId: string): FlashImage {
  const entry = manifestIn(out).devices.find((device) => device.registrationId === registrationId);
  if (entry === undefined) throw new Error(`${registrationId} is not in the manifest`);
  return openImage(memoryStorage(readFileSync(join(out, entry.image))));
}

/** The permissions of a file. */
export const modeOf = (path: string): number => statSync(path).mode & 0o777;

/** The paths of all files in a folder and below. */
export const filesUnder = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
