import { deriveDeviceKey } from '@zerotouch/azure-wire/keys';
import { type Attempt, type Cloud, type CloudOptions, startCloud } from '@zerotouch/cloud-sim/cloud';
import type { Test } from 'tap';

/** TLS processes of every cloud: the same tests hold with and without (test/services/fronts.test.ts). */
const WORKERS = Number(process.env.ZT_TEST_WORKERS ?? 0);

/** A cloud that answers at once and ends with the test. */
export async function cloudFor(t: Test, options: CloudOptions = {}): Promise<Cloud> {
  const cloud = await startCloud({ retryAfterSeconds: 0, workers: WORKERS, ...options });
  t.teardown(() => cloud.close());
  return cloud;
}

/** A key as an enrolment holds it. */
export function key(seed: string): string {
  return Buffer.from(seed.padEnd(32, '.')).toString('base64');
}

/** The device key of a group's member. */
export function derived(groupKey: string, registrationId: string): string {
  return deriveDeviceKey(Buffer.from(groupKey, 'base64'), registrationId).toString('base64');
}

/** Makes a symmetric-key group. */
export async function keyGroup(cloud: Cloud, enrollmentGroupId: string, groupKey: string, more: object = {}): Promise<void> {
  await cloud.enrolments.putGroup({
    enrollmentGroupId,
    attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: groupKey, secondaryKey: key(`${enrollmentGroupId} second`) } },
    ...more,
  });
}

/** The latest attempt of a device. */
export async function lastAttempt(cloud: Cloud, id: string): Promise<Attempt> {
  const attempt = (await cloud.attempts(id)).at(-1);
  if (attempt === undefined) throw new Error(`no attempt of ${id}`);
  return attempt;
}
