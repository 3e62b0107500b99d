import { appLength } from './app-image.js';
import { hex, ImageFault, locate, type Place } from './faults.js';
import { isOtaData, type Layout, otaSlots, type Partition, partitionSubtype, partitionType, SECTOR_SIZE } from './layout.js';
import { activeSector, isBootable, type OtaData, readOtaData, sequenceFor, slotOf, writeOtaEntry } from './ota-data.js';
import { region, type Storage } from './storage.js';

/** What runs: an application partition, and whether it has yet to prove itself. */
export interface RunningApp {
  /** Name of its partition. */
  readonly name: string;
  /** Booted for the first time since it was written: unless it is committed, the next boot goes back to what ran before. */
  readonly onTrial: boolean;
}

interface Choice {
  readonly partition: Partition;
  /** The sector of `otadata` that speaks of it; absent: none does. */
  readonly sector?: 0 | 1;
}

/**
 * Two or more application slots and what is booted of them: what Espressif's bootloader does with roll-back enabled, and what an application
 * does through `esp_ota_ops`. Every change is one entry in one sector of `otadata`, so that a power cut leaves the old choice or the new one;
 * a slot that holds no whole application is never booted, whatever `otadata` says.
 * Source: esp-idf v5.5, bootloader_utility.c, esp_ota_ops.c.
 */
export class AppSlots {
  readonly #storage: Storage;
  readonly #otaData: Storage;
  readonly #layout: Layout;
  #running: Choice | undefined;
  #onTrial = false;
  #written: Partition | undefined;

  private constructor(storage: Storage, layout: Layout, otaData: Storage) {
    this.#storage = storage;
    this.#layout = layout;
    this.#otaData = otaData;
  }

  /**
   * Chooses what runs, as the bootloader does at every start. An image on trial that was not committed before this start is given up; a new one
   * begins its trial. `undefined` for a layout without slots.
   * @throws ImageFault APP_NONE when there are applications and none of them is whole
   */
  static boot(storage: Storage, layout: Layout): AppSlots | undefined {
    const partition = layout.partitions.find(isOtaData);
    if (partition === undefined || otaSlots(layout).length === 0 || partition.offset + partition.size > storage.size) return undefined;
    const slots = new AppSlots(storage, layout, region(storage, partition.offset, partition.size));
    slots.#choose();
    return slots;
  }

  /** `undefined` when no slot holds anything: the application is not kept in this flash. */
  get running(): RunningApp | undefined {
    return this.#running === undefined ? undefined : { name: this.#running.partition.name, onTrial: this.#onTrial };
  }

  /**
   * Writes an application into the slot that is not running, and reads it back. Nothing is booted of it before {@link switchOver}.
   * @throws ImageFault APP_DAMAGED, APP_ON_TRIAL, PARTITION_TOO_SMALL, IMAGE_SHORT, and what the flash throws
   */
  write(app: Uint8Array): void {
    const bytes = Buffer.from(app.buffer, app.byteOffset, app.byteLength);
    appLength(bytes, { partition: 'update', offset: 0 });
    if (this.#onTrial) {
      throw new ImageFault('APP_ON_TRIAL', 'the running application has yet to prove itself', {
        expected: 'an update after it was committed: until then the other slot is the way back',
      });
    }
    const target = this.#spare();
    this.#written = undefined;
    if (bytes.length > target.size) {
      throw new ImageFault('PARTITION_TOO_SMALL', 'the application does not fit its slot', {
        where: locate(placeOf(target)),
        seen: `${bytes.length} bytes`,
        expected: `at most ${target.size} bytes`,
      });
    }
    if (target.offset + target.size > this.#storage.size) {
      throw new ImageFault('IMAGE_SHORT', 'the image ends before this slot does', {
        where: locate(placeOf(target)),
        seen: `${hex(this.#storage.size)} bytes`,
        remedy: 'burn the image with its slots: give it an application',
      });
    }
    this.#storage.erase(target.offset, Math.ceil(bytes.length / SECTOR_SIZE) * SECTOR_SIZE);
    this.#storage.write(target.offset, bytes);
    this.#storage.sync();
    if (!this.#storage.read(target.offset, bytes.length).equals(bytes)) {
      throw new ImageFault('APP_DAMAGED', 'what was written cannot be read back', { where: locate(placeOf(target)) });
    }
    this.#written = target;
  }

  /** From the next start on, what {@link write} wrote is booted, on trial. One entry is written. */
  switchOver(): void {
    const target = this.#written;
    if (target === undefined) throw new ImageFault('APP_MISSING', 'there is nothing to switch to', { expected: 'a slot that was written' });
    const data = this.#data();
    const active = activeSector(data);
    const slots = otaSlots(this.#layout);
    const sequence = sequenceFor(slots.indexOf(target), slots.length, active === undefined ? 0 : (data[active]?.sequence ?? 0));
    writeOtaEntry(this.#otaData, active === 0 ? 1 : 0, { sequence, state: 'new' });
  }

  /** The running application has proved itself. Writes nothing when that is known. */
  commit(): void {
    if (this.#onTrial) this.#mark('valid');
    this.#onTrial = false;
  }

  /** The running application has failed: the next start boots what ran before. False, and nothing written, when there is nothing else to boot. */
  rollBack(): boolean {
    const others = this.#choices().filter(({ partition }) => partition !== this.#running?.partition);
    if (!others.some(({ partition }) => this.#isWhole(partition))) return false;
    this.#mark('invalid');
    return true;
  }

  #choose(): void {
    const data = this.#data();
    for (const sector of [0, 1] as const) {
      const entry = data[sector];
      if (entry?.state !== 'pending-verify') continue;
      this.#attempt(() => writeOtaEntry(this.#otaData, sector, { ...entry, state: 'aborted' }));
    }
    // What could not be marked as given up is not booted all the same.
    const given = data.map((entry) => (entry?.state === 'pending-verify' ? undefined : entry)) as unknown as OtaData;
    const choices = this.#choices(given);
    // Better one that was given up than none.
    for (const partition of this.#apps()) if (!choices.some((choice) => choice.partition === partition)) choices.push({ partition });
    for (const choice of choices) {
      if (!this.#isWhole(choice.partition)) continue;
      const entry = choice.sector === undefined ? undefined : given[choice.sector];
      const isNew = choice.sector !== undefined && entry?.state === 'new';
      // Without the mark a bad image would be booted for ever.
      if (isNew && !this.#attempt(() => writeOtaEntry(this.#otaData, choice.sector as 0 | 1, { ...entry, state: 'pending-verify' })))
        continue;
      this.#running = choice;
      this.#onTrial = isNew;
      return;
    }
    if (choices.every(({ partition }) => this.#isBlank(partition))) return;
    throw new ImageFault('APP_NONE', 'no slot holds a whole application', {
      where: this.#apps()
        .map(({ name }) => name)
        .join(', '),
      expected: 'an application in one of them',
      remedy: 'burn the image again',
    });
  }

  /** What may be booted, best first: the active entry, the other, the factory's application, then every slot that nothing speaks against. */
  #choices(data: OtaData = this.#data()): Choice[] {
    const slots = otaSlots(this.#layout);
    const active = activeSector(data);
    const sectors = active === undefined ? [] : ([active, active === 0 ? 1 : 0] as const).filter((sector) => isBootable(data[sector]));
    const named = sectors.map((sector) => ({
      sector,
      partition: slots[slotOf(data[sector]?.sequence ?? 1, slots.length)] as Partition,
    }));
    const givenUp = data.flatMap((entry) =>
      entry === undefined || isBootable(entry) ? [] : [slots[slotOf(entry.sequence, slots.length)]],
    );
    const rest = this.#apps().filter((app) => !givenUp.includes(app) && !named.some(({ partition }) => partition === app));
    return [...named, ...rest.map((partition) => ({ partition }))];
  }

  #apps(): Partition[] {
    const isFactory = ({ type, subtype }: Partition) => type === partitionType.app && subtype === partitionSubtype.factoryApp;
    return [...this.#layout.partitions.filter(isFactory), ...otaSlots(this.#layout)];
  }

  #spare(): Partition {
    const slots = otaSlots(this.#layout);
    const running = this.#running === undefined ? -1 : slots.indexOf(this.#running.partition);
    const spare = slots[(running + 1) % slots.length] as Partition;
    if (spare !== this.#running?.partition) return spare;
    throw new ImageFault('PARTITION_MISSING', 'the only slot is running', { where: 'partition table', expected: 'a second slot (ota_1)' });
  }

  #mark(state: 'valid' | 'invalid'): void {
    const sector = this.#running?.sector;
    const entry = sector === undefined ? undefined : this.#data()[sector];
    if (sector !== undefined && entry !== undefined) writeOtaEntry(this.#otaData, sector, { ...entry, state });
  }

  #data(): OtaData {
    return readOtaData(this.#otaData);
  }

  #isWhole(partition: Partition): boolean {
    const bytes = this.#bytes(partition);
    try {
      return appLength(bytes, placeOf(partition)) <= bytes.length;
    } catch (error) {
      if (error instanceof ImageFault) return false;
      throw error;
    }
  }

  #isBlank(partition: Partition): boolean {
    const bytes = this.#bytes(partition);
    return bytes.length === 0 || bytes.readUInt8(0) === 0xff;
  }

  /** As much of the partition as the image has. */
  #bytes({ offset, size }: Partition): Buffer {
    return offset >= this.#storage.size ? Buffer.alloc(0) : this.#storage.read(offset, Math.min(size, this.#storage.size - offset));
  }

  #attempt(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (error instanceof ImageFault) return false;
      throw error;
    }
  }
}

function placeOf({ name, offset }: Partition): Place {
  return { partition: name, offset };
}
