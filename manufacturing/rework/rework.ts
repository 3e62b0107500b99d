import { ManufacturingFault } from '../faults.js';
import type { Author, DeviceState, Ledger } from '../ledger/ledger.js';

/**
 * What people do with devices after the burn.
 *
 * `ship` it leaves; `return` it came back, or is held back from the field; `scrap` it will never leave; `reburn` it gets a new identity with the
 * next `burn --resume`, and the old one is retired for good.
 */
export type Move = 'ship' | 'return' | 'scrap' | 'reburn';

const STATE_AFTER: Record<Move, DeviceState> = { ship: 'shipped', return: 'returned', scrap: 'scrapped', reburn: 'planned' };

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
  for await (const registrationId of idsOf(ledger, batch, devices)) {
    signal?.throwIfAborted();
    await ledger.transition(registrationId, STATE_AFTER[move], reason, author);
    moved++;
    onMoved?.(registrationId, moved);
  }
  return moved;
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
