import { createHash } from 'node:crypto';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { Driver } from '@zerotouch/firmware-sim/boot/driver';
import { defaultTimeouts } from '@zerotouch/firmware-sim/boot/driver-ports';
import { Memory } from '@zerotouch/firmware-sim/boot/memory';
import type { MountedFlash } from '@zerotouch/firmware-sim/boot/ports';
import { defaultRetryPolicy } from '@zerotouch/firmware-sim/boot/retry';
import { AppSlots } from '@zerotouch/flash-image/app-slots';
import type { Layout } from '@zerotouch/flash-image/layout';
import { NorFlash } from '@zerotouch/flash-image/nor';
import { encryptedStorage, type NvsKeys } from '@zerotouch/flash-image/nvs/encryption';
import { NvsStore } from '@zerotouch/flash-image/nvs/store';
import { memoryStorage, region, type Storage } from '@zerotouch/flash-image/storage';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import { VirtualClock } from '@zerotouch/foundation/virtual-clock';
import { identity, ScriptedSession } from './bench.js';

/** What the cloud of a story is like. */
export interface World {
  /** The hub that DPS names to a device of an ID scope. */
  readonly assigns: (idScope: string) => string;
  /** The hubs that let the device in. */
  readonly admits: ReadonlySet<string>;
  readonly desired: JsonObject & { $version: number };
  /** The certificate that DPS issues, and the key that the device makes for it. */
  readonly issues?: { readonly chain: readonly string[]; readonly privateKey: string };
}

/** Something that a device writes about, from a flash that is ready for it. */
export interface Story {
  readonly name: string;
  /** The flash before, and the world that the device finds. */
  readonly before: Buffer;
  readonly world: () => World;
  /** Drives the device, which is running or about to, until the story is over; absent: until it is running. */
  readonly act?: (device: Powered) => Promise<void>;
  readonly keys?: NvsKeys;
  /** The flash is more than NVS: behind it come the application slots of this layout. */
  readonly slots?: Layout;
  /** All that the device knew is forgotten at one blow, and learnt anew. */
  readonly startsOver?: boolean;
}

/** What a device mounts of its flash. */
function mounted(flash: Storage, { keys, slots }: Pick<Story, 'keys' | 'slots'>): Pick<MountedFlash, 'memory' | 'slots'> {
  const nvs = slots === undefined ? flash : region(flash, 0, Math.min(...slots.partitions.map(({ offset }) => offset)));
  const memory = new Memory(NvsStore.open(keys === undefined ? nvs : encryptedStorage(nvs, keys)));
  return { memory, slots: slots === undefined ? undefined : AppSlots.boot(flash, slots) };
}

/** What a device knows when it is switched on, and which application runs. */
export function known(flash: Storage, story: Pick<Story, 'keys' | 'slots'>): [scope: string, hub: string, config: string, app: string] {
  const { memory, slots } = mounted(flash, story);
  const scope = memory.owner()?.idScope ?? identity.idScope;
  const { hub = 'none', credential } = memory.assignment(scope) ?? {};
  // Certificate and key are told apart: one without the other would be none.
  const secret = credential === undefined ? '' : ` with ${digest(credential.certificate)} and ${digest(credential.privateKey)}`;
  return [scope, hub + secret, JSON.stringify(memory.config(scope) ?? null), slots?.running?.name ?? 'none'];
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64').slice(0, 8);
}

/** A device with power, in a world. */
export class Powered {
  readonly clock = new VirtualClock();
  readonly driver: Driver;
  readonly world: World;
  readonly flash: NorFlash;
  session: ScriptedSession | undefined;
  registrations = 0;
  #stepped: () => void = () => {};

  constructor(flash: NorFlash, world: World, story: Pick<Story, 'keys' | 'slots'>) {
    this.world = world;
    this.flash = flash;
    this.driver = new Driver(
      {
        mount: () => ({
          identity: () => identity,
          ...mounted(flash, story),
          close: () => {},
        }),
        endpoint: () => ({ dpsHost: 'dps.example', dpsPort: 8883 }),
        time: { set: async () => 'clock-set' },
        dps: {
          register: async (request) => {
            this.registrations += 1;
            const issued = world.issues === undefined ? {} : { issued: world.issues.chain };
            return { outcome: 'assigned', hub: world.assigns(request.identity.idScope), deviceId: identity.registrationId, ...issued };
          },
        },
        hub: {
          connect: async ({ assignment }) => {
            if (!world.admits.has(assignment.hub)) return { outcome: 'refused', detail: '401003', code: 401003 };
            this.session = new ScriptedSession();
            this.session.desired = world.desired;
            return { outcome: 'connected', session: this.session };
          },
        },
        config: { apply: async () => undefined },
        ...(world.issues === undefined
          ? {}
          : { credentials: { request: async () => ({ der: Buffer.of(), privateKey: world.issues?.privateKey ?? '' }) } }),
        clock: this.clock,
        entropy: seededEntropy('cuts'),
        policy: defaultRetryPolicy,
        timeouts: defaultTimeouts,
      },
      { stepped: () => this.#stepped(), slots: () => this.#stepped() },
    );
    this.driver.powerOn();
  }

  /** Until the condition holds; it is looked at after every step of the machine. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#stepped = resolve;
      });
    }
  }

  /** The same, while time goes on: every wait ends. */
  async untilInTime(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const wait = condition() ? undefined : this.clock.nextIn();
      if (wait !== undefined) this.clock.advance(wait);
    }
  }

  readonly isSettled = (): boolean => this.driver.machine.config === 'settled' && this.driver.machine.power === 'running';
}

const steps = (flash: NorFlash, after: () => boolean) => () => !flash.powered || after();

/** What a run of cuts found. */
export interface Cuts {
  count: number;
  /** Descriptions of devices that did not come back as they should. */
  readonly lost: string[];
}

/** How thoroughly: every n-th cut of the story, every n-th cut of each recovery's repairs and of the boot after them. */
export interface Thoroughness {
  readonly story: number;
  readonly repairs: number;
  readonly boot: number;
}

/**
 * Lives a story with a power cut after every word and inside it; then boots with a cut after every word of the repairs, and inside it; then
 * boots for good. The device must know exactly what it knew before the story or what it knows after, and reach the hub.
 */
export async function cutEverywhere(story: Story, every: Thoroughness, cuts: Cuts): Promise<void> {
  const whole = new Life(story);
  await whole.live(story.act);
  const old = known(memoryStorage(Buffer.from(story.before)), story);
  const young = known(memoryStorage(Buffer.from(whole.bytes)), story);
  // What is kept is kept in this order: the assignment, then the configuration.
  const [scope, hub] = young;
  const between =
    story.startsOver === true
      ? [
          [scope, 'none', 'null', old[3]],
          [scope, hub, 'null', old[3]],
        ]
      : [[scope, hub, old[2], old[3]]];
  const outcomes = new Set([old, young, ...between].map((state) => state.join()));
  const checked = new Set<string>();
  for (let step = 0; step <= whole.flash.steps; step += every.story) {
    for (const inside of [false, true]) {
      const cut = new Life(story, story.before, `${step}`);
      cut.flash.cutPower(step, inside);
      await cut.live(story.act);
      if (cut.flash.powered && step < whole.flash.steps) throw new Error(`${story.name}: the device did not get to step ${step}`);
      cuts.count += 1;
      await recover(cut, `${story.name}, cut ${inside ? 'in' : 'after'} step ${step}`);
    }
  }

  async function recover(cut: Life, where: string): Promise<void> {
    const calm = new Life(story, cut.bytes);
    const repairs = calm.mount();
    await check(cut, where);
    for (let step = 0; ; step += step < repairs ? every.repairs : every.boot) {
      let reached = true;
      for (const inside of [false, true]) {
        const again = new Life(story, cut.bytes, `${where} ${step}`);
        again.flash.cutPower(step, inside);
        await again.live();
        if (again.flash.powered) reached = false;
        else cuts.count += 1;
        await check(again, `${where}, and ${inside ? 'in' : 'after'} step ${step} of the next boot`);
      }
      if (!reached) return;
    }
  }

  async function check(cut: Life, where: string): Promise<void> {
    const bytes = createHash('sha256').update(cut.bytes).digest('base64');
    if (checked.has(bytes)) return;
    checked.add(bytes);
    const found = known(memoryStorage(Buffer.from(cut.bytes)), story).join();
    const last = new Life(story, cut.bytes);
    const reachedHub = await last.live();
    if (!outcomes.has(found) || !reachedHub) cuts.lost.push(`${where}: knows ${found}, ${reachedHub ? 'running' : 'not running'}`);
  }
}

/** One time of power of a story's device, over a copy of the flash. */
class Life {
  readonly bytes: Buffer;
  readonly flash: NorFlash;
  readonly #story: Story;

  constructor(story: Story, bytes: Uint8Array = story.before, seed = '') {
    this.#story = story;
    this.bytes = Buffer.from(bytes);
    this.flash = new NorFlash(this.bytes, { entropy: seededEntropy(seed) });
  }

  /** Opens the store alone. @returns how many steps its repairs take */
  mount(): number {
    known(this.flash, this.#story);
    return this.flash.steps;
  }

  /** @returns whether the device came to its hub while there was power */
  async live(act?: Story['act']): Promise<boolean> {
    const device = new Powered(this.flash, this.#story.world(), this.#story);
    await device.until(steps(this.flash, device.isSettled));
    if (this.flash.powered) await act?.(device);
    const { driver } = device;
    return this.flash.powered && driver.machine.power === 'running' && device.world.admits.has(driver.assignment?.hub ?? '');
  }
}
