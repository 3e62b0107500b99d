import { X509Certificate } from 'node:crypto';
import { Memory } from '@zerotouch/firmware-sim/boot/memory';
import { encodeApp } from '@zerotouch/flash-image/app-image';
import { type Layout, slottedLayout } from '@zerotouch/flash-image/layout';
import { NorFlash } from '@zerotouch/flash-image/nor';
import { encryptedStorage, type NvsKeys } from '@zerotouch/flash-image/nvs/encryption';
import { NvsStore } from '@zerotouch/flash-image/nvs/store';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import { issue, makeAuthority } from '../../cloud-sim/certificates.js';
import { identity } from './bench.js';
import type { Powered, Story, World } from './power-cuts.js';

const WEST = 'hub-weu.azure-devices.net';
const EAST = 'hub-eus.azure-devices.net';
const SCOPE = identity.idScope;
const owner = '0ne00FFFFFF';
const before = { version: 1, values: { interval: 10, mode: 'eco', thresholds: [1, 2, 3] } };
const after = { $version: 2, interval: 60, mode: 'full', thresholds: [4, 5, 6], name: 'a longer configuration than the one before' };

const line = await makeAuthority('line');
const [old, young] = await Promise.all([issue(line, identity.registrationId), issue(line, identity.registrationId)]);
const der = (pem: string) => new X509Certificate(pem).raw.toString('base64');

/** A flash as a device leaves it that has run on its hub. */
function used(size: number, keys: NvsKeys | undefined, work: (memory: Memory) => void = () => {}): Buffer {
  const bytes = Buffer.alloc(size, 0xff);
  const flash = new NorFlash(bytes, { entropy: seededEntropy('used') });
  const memory = new Memory(NvsStore.open(keys === undefined ? flash : encryptedStorage(flash, keys)));
  memory.countBoot();
  memory.keepAssignment(SCOPE, { hub: WEST, deviceId: identity.registrationId });
  memory.keepConfig(SCOPE, before);
  memory.trust();
  work(memory);
  return bytes;
}

/** The same just before the write of a configuration that moves a page. */
function crowded(size: number, keys: NvsKeys | undefined): Buffer {
  for (let boots = 0; ; boots++) {
    const bytes = used(size, keys, (memory) => {
      // Never the same configuration twice in a row: that would not be written.
      for (let turn = 0; turn < boots; turn++) memory.keepConfig(SCOPE, { ...before, version: turn % 2 === 0 ? 3 : 1 });
      memory.keepConfig(SCOPE, before);
    });
    const copy = new NorFlash(Buffer.from(bytes), { entropy: seededEntropy('copy') });
    const memory = new Memory(NvsStore.open(keys === undefined ? copy : encryptedStorage(copy, keys)));
    memory.countBoot();
    memory.keepConfig(SCOPE, { version: after.$version, values: { ...after } });
    if (copy.wear.some((erases) => erases > 0)) return bytes;
  }
}

const world =
  (over: Partial<World> = {}) =>
  (): World => ({
    assigns: () => WEST,
    admits: new Set([WEST]),
    desired: { $version: 1, ...before.values },
    ...over,
  });

async function command(device: Powered, name: string, payload?: unknown): Promise<void> {
  const { driver, session } = device;
  await session?.call(name, payload);
  await device.until(() => driver.machine.power === 'halted' || (device.isSettled() && device.session !== session));
}

const application = (version: number) => encodeApp([{ address: 0, bytes: Buffer.alloc(16, version) }]);

/** Behind an NVS of the smallest size: `otadata`, and two slots as small as they can be. */
const slots: Layout = {
  ...slottedLayout,
  partitions: slottedLayout.partitions
    .filter(({ name }) => name.startsWith('ota'))
    .map((partition, index) => ({
      ...partition,
      offset: 0x3000 + (index === 0 ? 0 : 0x1000 + index * 0x1000),
      size: index === 0 ? 0x2000 : 0x1000,
    })),
};

/** A flash whose first slot holds the factory's application. */
function slotted(keys: NvsKeys | undefined): Buffer {
  return Buffer.concat([
    used(0x3000, keys),
    Buffer.alloc(0x2000, 0xff),
    application(1),
    Buffer.alloc(0x2000 - application(1).length, 0xff),
  ]);
}

async function update(device: Powered): Promise<void> {
  const { driver } = device;
  driver.update(application(2));
  await device.untilInTime(
    () =>
      !device.flash.powered || (driver.flash?.slots?.running?.name === 'ota_1' && driver.machine.slots === 'settled' && device.isSettled()),
  );
}

/** Everything a device writes about in its life; the flash is the partition of our images, or of the smallest size. */
export function stories(keys?: NvsKeys): Story[] {
  const secret = keys === undefined ? {} : { keys };
  const east = { assigns: () => EAST, admits: new Set([EAST]) };
  return [
    { name: 'first boot', before: Buffer.alloc(0x6000, 0xff), world: world() },
    { name: 'config change', before: used(0x6000, keys), world: world({ desired: after }) },
    { name: 're-provision', before: used(0x6000, keys), world: world(east) },
    { name: 'compaction', before: crowded(0x3000, keys), world: world({ desired: after }) },
    {
      name: 'factory reset',
      startsOver: true,
      before: used(0x3000, keys),
      world: world(),
      act: (device: Powered) => command(device, 'factory-reset'),
    },
    {
      name: 'change of owner',
      startsOver: true,
      before: used(0x6000, keys),
      world: world({ assigns: (scope) => (scope === SCOPE ? WEST : EAST), admits: new Set([WEST, EAST]) }),
      act: (device: Powered) => command(device, 'change-owner', { idScope: owner }),
    },
    {
      name: 'certificate renewal',
      before: used(0x6000, keys, (memory) =>
        memory.keepAssignment(SCOPE, {
          hub: WEST,
          deviceId: identity.registrationId,
          credential: { certificate: old.cert, privateKey: old.key },
        }),
      ),
      world: world({ issues: { chain: [der(young.cert)], privateKey: young.key } }),
      act: (device: Powered) => command(device, 'reprovision'),
    },
    { name: 'application update', before: slotted(keys), slots, world: world(), act: update },
  ].map((story) => ({ ...story, ...secret }));
}
