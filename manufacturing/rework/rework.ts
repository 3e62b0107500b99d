import { ManufacturingFault } from '../faults.js';
import type { Author, DeviceState, Ledger } from '../ledger/ledger.js';
import { eventsOf, isRevoked } from './events.js';

/**
 * What people do with devices after the burn.
 *
 * `ship` it leaves; `return` it came back; `quarantine` it is held back until somebody has looked into it, `release` that is over, and it is what
 * it was; `scrap` it will never leave; `reburn` it gets a new identity with the next `burn --resume`, and the old one is retired for good.
 */
export type Move = 'ship' | 'return' | 'quarantine' | 'release' | 'scrap' | 'reburn';

const STATE_AFTER: Record<Exclude<Move, 'release'>, DeviceState> = {
  ship: 'shipped',
  return: 'returned',
  quarantine: 'quarantined',
  scrap: 'scrapped',
  reburn: 'planned',
};

/** What to move; see {@link moveDevices}. */
export interface MoveOptions {
  ledger: Ledger;
  batch: string;
  move: Move;
  /** Registration ids; `undefined`: every device of the batch that is in one of the states. */
  devices: readonly string[] | { states: readonly DeviceState[] };
  /** Kept in the history. */
  reason: string;
  author: Author;
  signal?: AbortSignal | undefined;
  /** Told after each device. */
  onMoved?: (registrationId: string, moved: number) => void;
}

/**
 * Moves devices on in the ledger, one record each. Nothing is ever taken back: what was a mistake is put right by a further move, and both stay in
 * the history. Cut off in the middle, what was moved stays moved.
 * @returns how many were moved
 * @throws ManufacturingFault LEDGER_UNKNOWN (also for a device of another batch), LEDGER_STATE
 */
export async function moveDevices({ ledger, batch, move, devices, reason, author, signal, onMoved }: MoveOptions): Promise<number> {
  let moved = 0;
  const { revoked } = await eventsOf(ledger, move === 'ship' ? batch : undefined);
  for await (const registrationId of idsOf(ledger, batch, devices)) {
    signal?.throwIfAborted();
    if (revoked.size > 0) await refuseRevoked(ledger, registrationId, revoked);
    const to = move === 'release' ? await stateBefore(ledger, registrationId) : STATE_AFTER[move];
    await ledger.transition(registrationId, to, reason, author);
    moved++;
    onMoved?.(registrationId, moved);
  }
  return moved;
}

/** DPS would refuse the device. */
async function refuseRevoked(ledger: Ledger, registrationId: string, revoked: ReadonlySet<string>): Promise<void> {
  const { enrolmentGroup = '' } = (await ledger.device(registrationId)) ?? {};
  if (!isRevoked(revoked, enrolmentGroup)) return;
  throw new ManufacturingFault('LEDGER_STATE', 'the enrolment of the device is revoked', {
    where: registrationId,
    seen: enrolmentGroup === '' ? 'the whole batch' : enrolmentGroup,
    expected: 'a device that DPS lets in',
    remedy: 'zerotouch batch reinstate ends a revocation',
  });
}

/** What a device was before its quarantine. */
async function stateBefore(ledger: Ledger, registrationId: string): Promise<DeviceState> {
  const device = await ledger.device(registrationId);
  const last = (await ledger.history(registrationId)).findLast(({ to }) => to === 'quarantined');
  if (device?.state === 'quarantined' && last !== undefined) return last.from === 'burnt' ? 'verified' : last.from;
  throw new ManufacturingFault('LEDGER_STATE', 'the device is not in quarantine', {
    where: registrationId,
    seen: device?.state,
    expected: 'quarantined',
  });
}

async function* idsOf(ledger: Ledger, batch: string, devices: MoveOptions['devices']): AsyncGenerator<string> {
  if ('states' in devices) {
    for await (const { registrationId } of ledger.devices(batch, devices)) yield registrationId;
    return;
  }
  // All of them are looked up before the first is moved: a slip of the pen moves nothing.
  for (const id of devices) {
    const device = await ledger.device(id);
    if (device?.batch === batch) continue;
    throw new ManufacturingFault('LEDGER_UNKNOWN', 'the batch has no such device', {
      where: ledger.where,
      seen: id,
      expected: `a device of ${batch}`,
    });
  }
  yield* devices;
}
