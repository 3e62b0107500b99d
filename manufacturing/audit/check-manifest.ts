import type { ManifestRecord } from '../manifest-record.js';
import type { Tell } from './findings.js';
import type { ImageFacts } from './image-facts.js';

/** The entry of a device in a manifest. */
export type DeviceRecord = Extract<ManifestRecord, { type: 'device' }>;

/** Whether an image is what its manifest says: every bit of the read-only partitions, and the names. */
export function checkRecord({ hashes, factory }: ImageFacts, record: DeviceRecord, tell: Tell): void {
  for (const name of new Set([...Object.keys(record.partitions), ...Object.keys(hashes)])) {
    if (record.partitions[name] !== hashes[name]) tell('MANIFEST_MISMATCH', `partition ${name}`);
  }
  for (const field of ['registrationId', 'serial'] as const) {
    if (factory !== undefined && factory[field] !== record[field]) {
      tell(
        'MANIFEST_MISMATCH',
        `partition fctry, ${field}`,
        `${JSON.stringify(factory[field])}, the manifest has ${JSON.stringify(record[field])}`,
      );
    }
  }
}
