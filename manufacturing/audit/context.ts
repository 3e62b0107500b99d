import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import type { BatchSpec } from '../spec-schema.js';

/** What the images are audited for. */
export interface AuditContext {
  /** Milliseconds since 1970. */
  now: number;
  /** Certificates that end sooner than so many milliseconds from now are told. */
  horizon: number;
  /** Whether the images are to leave the factory, or came back; neither: it is told as a warning. */
  life: 'shipped' | 'fielded' | undefined;
  /** The spec of the batch, where it was named. */
  spec?: BatchSpec | undefined;
  /** The enrolments of the batch, where there are any. Secret. */
  enrolments?: EnrolmentFile | undefined;
  /** Name of the batch, where anything tells it. */
  batch?: string | undefined;
}

/** Host-name suffixes of the sovereign clouds, by the part that tells them apart. */
const CLOUDS: readonly (readonly [cloud: string, suffix: RegExp])[] = [
  ['public', /\.azure-devices(?:-provisioning)?\.net$/i],
  ['China', /\.azure-devices(?:-provisioning)?\.cn$/i],
  ['US Government', /\.azure-devices(?:-provisioning)?\.us$/i],
];

/** The sovereign cloud that a host belongs to; `undefined` where its name tells none. */
export function cloudOf(host: string): string | undefined {
  return CLOUDS.find(([, suffix]) => suffix.test(host))?.[0];
}

/** The cloud that the batch is for: that of its spec, else of the hubs it is enrolled to, else the public one. */
export function expectedCloud({ spec, enrolments }: AuditContext): string {
  const entries = enrolments === undefined ? [] : [...enrolments.enrollmentGroups, ...enrolments.enrollments];
  const hosts = spec === undefined ? entries.flatMap(({ iotHubs }) => iotHubs ?? []) : [spec.endpoint];
  return hosts.map(cloudOf).find((cloud) => cloud !== undefined) ?? 'public';
}

/** A batch that calls itself a test may use what tests use. */
export function isTestBatch({ batch }: AuditContext): boolean {
  return batch !== undefined && TEST_WORDS.test(batch);
}

/** Words by which an authority says that it is none for production. */
export const TEST_WORDS =
  /(?:^|[^a-z])(?:test|tests|testing|debug|dev|demo|sample|example|dummy|fake|snakeoil|do not use|not for production)(?:[^a-z]|$)/i;
