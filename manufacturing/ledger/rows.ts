import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Kysely, Selectable } from 'kysely';
import type { BatchRecord, DeviceRecord, EventRecord, HistoryRecord, IdentityRecord, PlannedRow } from './records.js';
import type { LedgerTables } from './schema.js';

/** Devices with their current identity; add a condition and an order. */
export function selectDevices(db: Kysely<LedgerTables>) {
  return db
    .selectFrom('ledger_devices as device')
    .leftJoin('ledger_identities as identity', 'identity.id', 'device.identity')
    .select([
      'device.batch',
      'device.position',
      'device.registration_id',
      'device.serial',
      'device.mac',
      'device.attestation',
      'device.enrolment',
      'device.enrolment_group',
      'device.state',
      'device.station',
      'device.operator',
      'device.changed_at',
      'identity.id as identity',
      'identity.status',
      'identity.certificate_serial',
      'identity.public_key',
      'identity.thumbprint',
      'identity.not_after',
      'identity.certificate',
      'identity.partitions',
    ]);
}

/** A row of {@link selectDevices}. */
export type DeviceRow = Awaited<ReturnType<ReturnType<typeof selectDevices>['execute']>>[number];

export function deviceOf(row: DeviceRow): DeviceRecord {
  const { batch, position, registration_id, serial, attestation, enrolment, state, changed_at } = row;
  return {
    batch,
    position,
    registrationId: registration_id,
    serial,
    attestation,
    enrolment,
    state,
    changedAt: changed_at,
    ...given('mac', row.mac),
    ...given('enrolmentGroup', row.enrolment_group),
    ...given('station', row.station),
    ...given('operator', row.operator),
    ...given('identity', identityOf(row)),
  };
}

function identityOf(row: DeviceRow): DeviceRecord['identity'] | null {
  const { identity: id, status, partitions } = row;
  return id === null || status === null || partitions === null ? null : identityRecordOf({ ...row, id, status, partitions });
}

type IdentityRow = Pick<
  Selectable<LedgerTables['ledger_identities']>,
  'id' | 'status' | 'partitions' | 'certificate_serial' | 'public_key' | 'thumbprint' | 'not_after' | 'certificate'
>;

export function identityRecordOf(row: IdentityRow): NonNullable<DeviceRecord['identity']> {
  return {
    id: row.id,
    status: row.status,
    partitions: JSON.parse(row.partitions) as IdentityRecord['partitions'],
    ...given('certificateSerial', row.certificate_serial),
    ...given('publicKey', row.public_key),
    ...given('thumbprint', row.thumbprint),
    ...given('notAfter', row.not_after),
    ...given('certificate', row.certificate),
  };
}

export function historyOf(row: Selectable<LedgerTables['ledger_history']>): HistoryRecord {
  return {
    batch: row.batch,
    registrationId: row.registration_id,
    from: row.from_state,
    to: row.to_state,
    station: row.station,
    at: row.at,
    ...given('identity', row.identity),
    ...given('reason', row.reason),
    ...given('operator', row.operator),
  };
}

export function eventOf(row: Selectable<LedgerTables['ledger_events']>): EventRecord {
  const { batch, kind, subject, detail, reason, station, operator, at } = row;
  return { batch, kind, subject, detail: JSON.parse(detail) as EventRecord['detail'], reason, station, at, ...given('operator', operator) };
}

export function plannedValues(batch: string, row: PlannedRow, now: number) {
  return {
    batch,
    position: row.position,
    registration_id: row.registrationId,
    canonical_id: canonicalRegistrationId(row.registrationId),
    serial: row.serial,
    // Told apart as people read them: without regard to case.
    canonical_serial: canonicalRegistrationId(row.serial),
    mac: row.mac === undefined ? null : canonicalMac(row.mac),
    attestation: row.attestation,
    enrolment: row.enrolment,
    enrolment_group: row.enrolmentGroup ?? null,
    state: 'planned' as const,
    changed_at: now,
  };
}

/** A MAC address as twelve lower-case hexadecimal digits. */
export function canonicalMac(mac: string): string {
  return mac.replace(/[^0-9A-Fa-f]/g, '').toLowerCase();
}

export function batchOf(row: Selectable<LedgerTables['ledger_batches']>): BatchRecord {
  return {
    batch: row.batch,
    state: row.state,
    devices: row.devices,
    specDigest: row.spec_digest,
    spec: row.spec,
    createdAt: row.created_at,
    ...given('sources', row.sources === null ? null : (JSON.parse(row.sources) as Record<string, string>)),
    ...given('completedAt', row.completed_at),
  };
}

/** A property where there is a value. */
export function given<K extends string, V>(key: K, value: V | null | undefined): { [P in K]?: V } {
  return (value === null || value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}
