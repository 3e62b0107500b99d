import { appLength, encodeApp } from '@zerotouch/flash-image/app-image';
import { AppSlots } from '@zerotouch/flash-image/app-slots';
import { composeImage } from '@zerotouch/flash-image/image';
import { inspectImage } from '@zerotouch/flash-image/inspect';
import { checkLayout, defaultLayout, slottedLayout } from '@zerotouch/flash-image/layout';
import { NorFlash, PowerCut } from '@zerotouch/flash-image/nor';
import { decodeOtaEntry, encodeOtaEntry, sequenceFor, slotOf } from '@zerotouch/flash-image/ota-data';
import { memoryStorage, type Storage } from '@zerotouch/flash-image/storage';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import fc from 'fast-check';
import t from 'tap';

const factory = { idScope: '0ne00000A1B', endpoint: 'global.azure-devices-provisioning.net', registrationId: 'x-1', serial: '1' };
const place = { partition: 'update', offset: 0 };
const app = (version: number) => encodeApp([{ address: 0x3c000000, bytes: Buffer.alloc(32, version) }]);
const burnt = () => composeImage({ layout: slottedLayout, factory, app: app(1) });
const boot = (storage: Storage) => AppSlots.boot(storage, slottedLayout);

/** An image that runs its second application, on trial. */
function updated(): Buffer {
  const image = burnt();
  const slots = boot(memoryStorage(image)) as AppSlots;
  slots.write(app(2));
  slots.switchOver();
  return image;
}

t.test('entries are those that the bootloader reads', async (t) => {
  // The first entry that every tool of Espressif writes (boot_app0.bin).
  t.equal(encodeOtaEntry({ sequence: 1, state: 'undefined' }).toString('hex'), `01000000${'ff'.repeat(24)}9a984347`);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 0xfffffffe }),
      fc.constantFrom('new', 'pending-verify', 'valid', 'invalid', 'aborted', 'undefined'),
      (sequence, state) => {
        const entry = { sequence, state } as const;
        const bytes = encodeOtaEntry(entry);
        t.strictSame(decodeOtaEntry(bytes), entry);
        bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0);
        t.equal(decodeOtaEntry(bytes), undefined);
      },
    ),
    { numRuns: 20 },
  );
  const odd = encodeOtaEntry({ sequence: 1, state: 'valid' });
  odd.writeUInt8(7, 24);
  t.equal(decodeOtaEntry(odd), undefined, 'a state that nobody writes');
  t.equal(decodeOtaEntry(Buffer.alloc(32, 0xff)), undefined);
});

t.test('a sequence number above the last one means the slot', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 16 }), fc.nat(1000), fc.nat(15), (slots, above, slot) => {
      const sequence = sequenceFor(slot % slots, slots, above);
      return sequence > above && sequence <= above + slots && slotOf(sequence, slots) === slot % slots;
    }),
  );
});

t.test('an application is whole or it is not', async (t) => {
  const whole = app(1);
  t.equal(appLength(Buffer.concat([whole, Buffer.alloc(100, 0xff)]), place), whole.length);
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 0x40, at);
    t.throws(() => appLength(damaged, place), { name: 'ImageFault' }, `byte ${at}`);
    t.throws(() => appLength(whole.subarray(0, at), place), { name: 'ImageFault' });
  }
  t.throws(() => appLength(Buffer.alloc(64, 0xff), place), { code: 'APP_MISSING' });
});

t.test('an update: written beside, tried, committed', async (t) => {
  checkLayout(slottedLayout);
  const image = updated();
  const trial = boot(memoryStorage(image)) as AppSlots;
  t.strictSame(trial.running, { name: 'ota_1', onTrial: true });
  t.throws(() => trial.write(app(3)), { code: 'APP_ON_TRIAL' });
  trial.commit();
  for (let start = 0; start < 2; start++) t.strictSame(boot(memoryStorage(image))?.running, { name: 'ota_1', onTrial: false });

  const next = boot(memoryStorage(image)) as AppSlots;
  next.write(app(3));
  t.strictSame(boot(memoryStorage(image))?.running?.name, 'ota_1', 'what was only written is not booted');
  next.switchOver();
  t.strictSame(boot(memoryStorage(image))?.running, { name: 'ota_0', onTrial: true }, 'the slots take turns');
});

t.test('an update that does not prove itself is gone at the next start', async (t) => {
  const crashed = updated();
  boot(memoryStorage(crashed));
  t.strictSame(boot(memoryStorage(crashed))?.running, { name: 'ota_0', onTrial: false }, 'it crashed, or power went');
  t.strictSame(boot(memoryStorage(crashed))?.running, { name: 'ota_0', onTrial: false });

  const refused = updated();
  t.ok(boot(memoryStorage(refused))?.rollBack());
  t.strictSame(boot(memoryStorage(refused))?.running, { name: 'ota_0', onTrial: false });
});

t.test('there is no way back to nothing', async (t) => {
  const image = updated();
  image.fill(0xff, 0x20000, 0x21000);
  const only = boot(memoryStorage(image)) as AppSlots;
  t.strictSame(only.running, { name: 'ota_1', onTrial: true });
  t.notOk(only.rollBack());
  t.strictSame(boot(memoryStorage(image))?.running, { name: 'ota_1', onTrial: false }, 'better one that was given up than none');
  image.fill(0, 0x200010, 0x200020);
  t.throws(() => boot(memoryStorage(image)), { code: 'APP_NONE', where: 'ota_0, ota_1' });
});

t.test('what cannot be an update leaves everything as it was', async (t) => {
  const image = burnt();
  const slots = boot(memoryStorage(image)) as AppSlots;
  t.throws(() => slots.write(Buffer.from('no application')), { code: 'APP_MISSING' });
  t.throws(() => slots.write(app(2).subarray(0, 50)), { code: 'APP_DAMAGED' });
  t.throws(() => slots.switchOver(), { code: 'APP_MISSING' });
  t.ok(image.equals(burnt()));
  const short = boot(memoryStorage(image.subarray(0, 0x30000))) as AppSlots;
  t.throws(() => short.write(app(2)), { code: 'IMAGE_SHORT' });
});

t.test('an image without slots, or with nothing in them', async (t) => {
  t.equal(AppSlots.boot(memoryStorage(composeImage({ factory })), defaultLayout), undefined);
  t.equal(boot(memoryStorage(composeImage({ layout: slottedLayout, factory })))?.running, undefined);
});

t.test('an image is looked into without being started', async (t) => {
  const look = (image: Buffer) => inspectImage(memoryStorage(image)).slots;
  t.match(look(burnt()), {
    boots: 'ota_0',
    onTrial: false,
    active: null,
    entries: [
      { offset: 0x19000, entry: 'blank', sequence: null, state: null, slot: null },
      { offset: 0x1a000, entry: 'blank' },
    ],
    slots: [
      { name: 'ota_0', offset: 0x20000, application: 'whole', length: app(1).length },
      { name: 'ota_1', application: 'none', length: null },
    ],
  });
  const image = updated();
  const before = Buffer.from(image);
  const next = { boots: 'ota_1', onTrial: true, entries: [{ sequence: 2, state: 'new', slot: 'ota_1' }, { entry: 'blank' }], active: 0 };
  t.match(look(image), next);
  t.ok(image.equals(before), 'the trial does not begin by it');
  boot(memoryStorage(image));
  t.match(look(image), { boots: 'ota_0', entries: [{ state: 'pending-verify' }, {}] }, 'on trial now: another start goes back');
  image.writeUInt8(image.readUInt8(0x19000) ^ 1, 0x19000);
  t.match(look(image), { active: null, entries: [{ entry: 'damaged', sequence: null, slot: null }, {}] });
  const broken = burnt();
  broken.fill(0, 0x20010, 0x20020);
  t.match(look(broken), { boots: null, slots: [{ application: 'damaged', length: null }, {}] });
  t.match(look(composeImage({ layout: slottedLayout, factory })), { boots: null, slots: [{ application: 'absent' }, {}] });
  t.equal(inspectImage(memoryStorage(composeImage({ factory }))).slots, null);
});

t.test('power goes after any word of the whole way, and inside it: the old application runs or the new one', async (t) => {
  const live = (flash: NorFlash): void => {
    const slots = boot(flash) as AppSlots;
    if (slots.running?.name === 'ota_0') {
      slots.write(app(2));
      slots.switchOver();
      boot(flash)?.commit();
    } else slots.commit();
  };
  const flashOf = (bytes: Buffer, seed: string) => new NorFlash(bytes, { entropy: seededEntropy(seed) });
  const whole = flashOf(burnt(), 'whole');
  live(whole);
  let cuts = 0;
  const found = new Set<string>();
  for (let step = 0; step < whole.steps; step++) {
    for (const inside of [false, true]) {
      const bytes = burnt();
      const flash = flashOf(bytes, `${step}`);
      flash.cutPower(step, inside);
      t.throws(() => live(flash), PowerCut);
      cuts++;
      // And again in what the next start puts right.
      for (let again = 0; ; again++) {
        const copy = Buffer.from(bytes);
        const next = flashOf(copy, `${step} ${again}`);
        next.cutPower(again, inside);
        try {
          boot(next);
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
        }
        const cut = !next.powered;
        next.restorePower();
        found.add(boot(next)?.running?.name ?? 'none');
        if (!cut) break;
        cuts++;
      }
    }
  }
  t.strictSame([...found].sort(), ['ota_0', 'ota_1'], `${cuts} cuts, none lost`);
});
