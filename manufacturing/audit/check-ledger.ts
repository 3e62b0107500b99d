import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '@zerotouch/foundation/clock';
import { isFault } from '@zerotouch/foundation/fault';
import { LEDGER_FILE, type Ledger, openLedger } from '../ledger/ledger.js';
import { canonicalMac } from '../ledger/rows.js';
import { isRevoked } from '../rework/events.js';
import type { DeviceRecord } from './check-manifest.js';
import type { Tell } from './findings.js';
import { modeOf } from './sources.js';

/**
 * The ledger of a batch: the one named, else the one in its folder; `undefined` where neither is. What keeps one from being read is told; one
 * that was named and does not answer is an error.
 * @param address `sqlite:PATH` or a `postgres://` URL. Secret.
 */
export async function ledgerOf(folder: string, address: string | undefined, clock: Clock, tell: Tell): Promise<Ledger | undefined> {
  if (address !== undefined) return openLedger(address, { clock });
  const path = join(folder, LEDGER_FILE);
  if ((await modeOf(path)) === undefined) return undefined;
  try {
    return await openLedger(`sqlite:${path}`, { clock, patienceMs: 5000 });
  } catch (error) {
    if (!isFault(error)) throw error;
    tell('LEDGER_MISMATCH', path, error.message);
    return undefined;
  }
}

/** States in which a device has an image. */
const WITH_IMAGE = ['burnt', 'verified', 'shipped', 'quarantined', 'returned'];

/** Whether the ledger says of a device what its manifest says. */
export async function checkLedger(
  ledger: Ledger,
  { registrationId, serial, mac, partitions, certificate, enrolmentGroup = '' }: DeviceRecord,
  revoked: ReadonlySet<string>,
  tell: Tell,
): Promise<void> {
  const device = await ledger.device(registrationId);
  const where = `ledger, ${registrationId}`;
  if (device?.state === 'quarantined') tell('DEVICE_QUARANTINED', where);
  if (isRevoked(revoked, enrolmentGroup)) tell('ENROLMENT_REVOKED', where);
  if (device === undefined) tell('LEDGER_MISMATCH', where, 'it does not have the device');
  else if (!WITH_IMAGE.includes(device.state)) tell('LEDGER_MISMATCH', where, `it has the device as ${device.state}`);
  else if (device.serial !== serial)
    tell('LEDGER_MISMATCH', where, `serial ${JSON.stringify(device.serial)}, the manifest has ${JSON.stringify(serial)}`);
  else if ((device.mac ?? '') !== canonicalMac(mac ?? ''))
    tell('LEDGER_MISMATCH', where, `MAC ${JSON.stringify(device.mac ?? '')}, the manifest has ${JSON.stringify(mac ?? '')}`);
  else if (device.identity?.thumbprint !== certificate?.thumbprint) tell('LEDGER_MISMATCH', where, 'another certificate');
  else if (!isDeepStrictEqual(device.identity?.partitions, partitions)) tell('LEDGER_MISMATCH', where, 'another image');
}
