import { seededEntropy } from '@zerotouch/foundation/entropy';
import { type Ledger, type LedgerOptions, openLedger, type PlannedRow } from '@zerotouch/manufacturing/ledger/ledger';
import type { Processes } from '@zerotouch/manufacturing/ledger/sessions';
import type { Issued, StationBook } from '@zerotouch/manufacturing/ledger/station-book';
import type { Test } from 'tap';

/** A new, empty ledger for one test: its address, and SQL for what the door does not do. */
export interface LedgerPlace {
  address: string;
  sql(text: string): Promise<void>;
}

/** Makes such a place, which ends with the test. */
export type MakePlace = (t: Test) => Promise<LedgerPlace>;

/** Who stands at the station. */
export const author = { station: 'line-7', operator: 'kim' };
const entropy = seededEntropy('ledger');
/** An id of a session or of an identity. */
export const draw = (): string => entropy.bytes(16).toString('hex');

/** Processes that are told who lives. */
export function processesOf(pid: number, dead = new Set<number>()): Processes {
  return { self: { host: 'hall', pid }, gone: (place) => dead.has(place.pid) };
}

/** A plan of so many devices. */
export const rowsOf = (count: number, prefix = 'x'): PlannedRow[] =>
  Array.from({ length: count }, (_, position) => ({
    position,
    registrationId: `${prefix}-${position}`,
    serial: `${prefix}${position}`,
    attestation: 'x509',
    enrolment: 'group',
    enrolmentGroup: 'g',
  }));

/** An identity that looks like one. */
export function issuedOf({ position, registrationId }: { position: number; registrationId: string }): Issued {
  const bytes = entropy.bytes(16).toString('hex');
  return {
    position,
    registrationId,
    identity: { id: draw(), certificateSerial: bytes.toUpperCase(), publicKey: bytes, thumbprint: bytes, partitions: { fctry: 'ab' } },
  };
}

/** An issued identity that is in its image. */
export const settled = ({ position, registrationId, identity }: Issued) => ({ position, registrationId, identity: identity.id });

/** What tests of a ledger begin with: one that is open, one with batch `b` planned, a station that signed on. All end with the test. */
export function ledgerBench(makePlace: MakePlace) {
  const openAt = async (t: Test, { address }: LedgerPlace, options: LedgerOptions = {}): Promise<Ledger> => {
    const ledger = await openLedger(address, options);
    t.teardown(() => ledger.close());
    return ledger;
  };
  const planned = async (t: Test, count = 5): Promise<{ ledger: Ledger; place: LedgerPlace }> => {
    const place = await makePlace(t);
    const ledger = await openAt(t, place);
    await ledger.plan({ batch: 'b', specDigest: 'd', spec: '{}', devices: count }, () => rowsOf(count), draw());
    return { ledger, place };
  };
  const bookOf = async (t: Test, ledger: Ledger, processes = processesOf(1), leaseMs?: number): Promise<StationBook> => {
    const options = { batch: 'b', session: draw(), author, processes };
    const book = ledger.station(leaseMs === undefined ? options : { ...options, leaseMs });
    await book.open();
    t.teardown(() => book.close().catch(() => {}));
    return book;
  };
  return { openAt, planned, bookOf };
}
