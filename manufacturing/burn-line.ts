import { join } from 'node:path';
import type { Clock } from '@zerotouch/foundation/clock';
import { isFault } from '@zerotouch/foundation/fault';
import type { CredentialSource } from './credentials.js';
import type { Demand } from './demand.js';
import type { IdentifiedDevice } from './documents.js';
import type { DeviceRecord } from './ledger/records.js';
import type { Issued, Settled, StationBook } from './ledger/station-book.js';
import { IMAGE_FOLDER, imageName } from './out-folder.js';
import { groupAt, type PlannedDevice } from './plan.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';
import { burnDevice, discardImage, imageProblem, type PreparedDevice, prepareDevice, type Station } from './station.js';

/**
 * Devices taken in hand at a time: they share three commits and one sync of the folder. The first hands are small, so that the stations of a
 * small batch share it; images of a large application are few at a time, so that memory stays flat.
 */
const HAND = { first: 16, most: 64, bytes: 1 << 25 } as const;
/** Hands at the same time: while the disk is busy with one, the certificates of the other are made. */
const HANDS = 2;
/** Bytes of an image without an application, and about as many more that reading it back takes. */
const SMALLEST_IMAGE = 0x40000;
/** Images written side by side. */
const WRITES = 8;
/** A station that fails so often in a row would only void certificates. */
const FAILURES_IN_A_ROW = 64;
const ELSEWHERE_MS = 250;

/** How one device ended. */
export type DeviceOutcome = { device: PlannedDevice; image: string } | { device: PlannedDevice; reason: string };

/** A line of the factory at work on one batch. */
export interface BurnLine {
  spec: BatchSpec;
  sources: ReadonlyMap<GroupSpec, CredentialSource>;
  station: Station;
  book: StationBook;
  clock: Clock;
  signal: AbortSignal | undefined;
  onOutcome: (outcome: DeviceOutcome) => void;
  /** Absent: everything is wanted at once. */
  demand?: LineDemand | undefined;
}

/** What a line that burns as needed asks, and tells. */
export interface LineDemand {
  more: Demand['more'];
  delivered: (devices: readonly IdentifiedDevice[]) => Promise<void>;
}

/**
 * Burns what is left of a batch, beside other stations, until nothing is left or the signal asks to stop. The order of what is durable: identity
 * in the ledger, image under a temporary name, read back, image under its name, folder, state in the ledger. So an identity that was ever on a
 * disk is in the ledger, and an image whose state was not recorded any more is recognised by its hashes.
 * @throws ManufacturingFault LEDGER_*, CLAIM_LOST
 */
export async function runLine(line: BurnLine): Promise<void> {
  const { book, clock, signal } = line;
  let failing = 0;
  let isEnough = false;
  const state = {
    get stop(): boolean {
      return signal?.aborted === true || failing >= FAILURES_IN_A_ROW || isEnough;
    },
    tell(outcome: DeviceOutcome): void {
      failing = 'reason' in outcome ? failing + 1 : 0;
      line.onOutcome(outcome);
    },
  };
  const { app, bootloader } = line.station.flash ?? {};
  const imageBytes = SMALLEST_IMAGE + (app?.length ?? 0) + (bootloader?.length ?? 0);
  const most = Math.max(1, Math.min(HAND.most, Math.floor(HAND.bytes / HANDS / imageBytes)));
  const turns = new Turns();
  const work = async (): Promise<void> => {
    for (let hand = Math.min(HAND.first, most); !state.stop; hand = Math.min(most, hand * 2)) {
      const wanted = line.demand === undefined ? hand : await line.demand.more(hand);
      if (wanted === 0) {
        isEnough = true;
        return;
      }
      const devices = await turns.take(() => book.claim(wanted));
      if (devices.length === 0) return;
      await burnHand(line, devices, turns, state.tell);
    }
  };
  while (!state.stop) {
    // What one hand throws ends the line; the other one is waited for, so that nothing writes any more.
    const ends = await Promise.allSettled(Array.from({ length: HANDS }, work));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    if ((await book.unburnt()).elsewhere === 0) return;
    // What another station has in hand it may still drop.
    if (!state.stop) await clock.wait(ELSEWHERE_MS, signal).catch(() => {});
  }
}

async function burnHand(
  line: BurnLine,
  devices: readonly DeviceRecord[],
  turns: Turns,
  tell: (outcome: DeviceOutcome) => void,
): Promise<void> {
  const { station, book, spec } = line;
  const givenUp: { position: number; registrationId: string; reason: string }[] = [];
  const outcomes: DeviceOutcome[] = [];
  const fail = (record: { position: number; registrationId: string }, device: PlannedDevice, error: unknown): void => {
    const reason = reasonOf(error);
    givenUp.push({ position: record.position, registrationId: record.registrationId, reason });
    outcomes.push({ device, reason });
  };

  const adopted: Settled[] = [];
  const prepared: { record: DeviceRecord; ready: PreparedDevice }[] = [];
  await turns.take(async () => {
    // All entropy is drawn before the first wait: the same seed gives the same batch, whatever the pace.
    await Promise.all(
      devices.map(async (record) => {
        const device = { registrationId: record.registrationId, serial: record.serial, group: groupAt(spec, record.position) };
        try {
          // A station that died between the name of an image and its state left it here, finished.
          if (record.identity !== undefined && (await imageProblem(station, device.registrationId, record.identity)) === undefined) {
            adopted.push({ ...record, identity: record.identity.id });
            outcomes.push({ device, image: imageName(device.registrationId) });
            return;
          }
          const source = line.sources.get(device.group);
          if (source === undefined) throw new Error('its group is not in the spec');
          prepared.push({ record, ready: await prepareDevice(station, device, source) });
        } catch (error) {
          fail(record, device, error);
        }
      }),
    );
    prepared.sort((a, b) => a.record.position - b.record.position);
    await book.issue(prepared.map(({ record, ready }): Issued => ({ ...record, identity: ready.identity })));
  });

  const burnt: { record: DeviceRecord; ready: PreparedDevice; image: string }[] = [];
  await eachOf(prepared, WRITES, async ({ record, ready }) => {
    try {
      burnt.push({ record, ready, image: await burnDevice(station, ready) });
    } catch (error) {
      if (isFault(error) && error.code === 'CLAIM_LOST') throw error;
      fail(record, ready.device, error);
    }
  });
  try {
    await station.files.sync(join(station.out, IMAGE_FOLDER));
    for (const { ready, image } of burnt) outcomes.push({ device: ready.device, image });
  } catch (error) {
    for (const { record, ready } of burnt.splice(0)) {
      await discardImage(station, ready.device);
      fail(record, ready.device, error);
    }
  }
  await turns.take(async () => {
    await book.verified([...adopted, ...burnt.map(({ record, ready }) => ({ ...record, identity: ready.identity.id }))]);
    await book.giveUp(givenUp);
  });
  const identified = burnt.map(({ record, ready }) => ({ ...record, identity: ready.identity }));
  await line.demand?.delivered([...devices.filter(({ position }) => adopted.some((own) => own.position === position)), ...identified]);
  for (const outcome of outcomes) tell(outcome);
}

/**
 * Work that is done one after the other: while one hand's transaction is open, which others wait for, the other hand's certificates are not made in
 * between.
 */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

async function eachOf<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const hand = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: width }, hand));
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
