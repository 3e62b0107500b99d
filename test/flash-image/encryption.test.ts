import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chipNames, chips, requireHmac } from '@zerotouch/flash-image/chip';
import { deriveNvsKeys, efusePath, openWithEfuse, readEfuseBeside, sealForEfuse } from '@zerotouch/flash-image/efuse';
import { composeImage, type ImageContents, openImage } from '@zerotouch/flash-image/image';
import { inspectImage } from '@zerotouch/flash-image/inspect';
import { keyedLayout } from '@zerotouch/flash-image/layout';
import { decodeNvsKeys, decryptNvs, encodeNvsKeys, encryptedStorage, encryptNvs } from '@zerotouch/flash-image/nvs/encryption';
import { generateNvs } from '@zerotouch/flash-image/nvs/generate';
import { readNvs } from '@zerotouch/flash-image/nvs/read';
import { NvsStore } from '@zerotouch/flash-image/nvs/store';
import { encodePartitionTable } from '@zerotouch/flash-image/partition-table';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { decodeTlvs, tlvFlag, tlvType } from '@zerotouch/flash-image/tlv';
import fc from 'fast-check';
import t from 'tap';
import { comparable, nvsValue } from './support/arbitraries.js';
import { golden, nvsEntries } from './support/golden.js';
import { contents, factory } from './support/images.js';

const keys = decodeNvsKeys(golden('nvs_keys.bin')) ?? { dataKey: Buffer.alloc(32), tweakKey: Buffer.alloc(32) };
const efuse = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
const hmac: ImageContents = { ...contents, encryption: { scheme: 'hmac', efuse } };
const keyed: ImageContents = { ...contents, layout: keyedLayout, encryption: { scheme: 'key-partition', keys } };

t.test('encrypted NVS and key partition are those that the generator makes', async (t) => {
  t.ok(encodeNvsKeys(keys).equals(golden('nvs_keys.bin')));
  t.ok(encryptNvs(generateNvs(nvsEntries(golden('types.csv').toString()), 0x6000), keys).equals(golden('types.encrypted.bin')));
  t.ok(decryptNvs(golden('types.encrypted.bin'), keys).equals(golden('types.bin')));
  t.same(
    readNvs(golden('types.encrypted.bin'), undefined, keys).map(({ value }) => comparable(value)),
    readNvs(golden('types.bin')).map(({ value }) => comparable(value)),
  );
});

t.test('the layout with a key partition is the golden one', async (t) => {
  t.ok(encodePartitionTable(keyedLayout).equals(golden('partitions.bin')));
});

t.test('an entry is encrypted as AES-256-XTS by OpenSSL', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(5), fc.nat(125), (entry, page, slot) => {
      const offset = page * 4096 + 64 + slot * 32;
      const flash = Buffer.alloc(0x6000, 0xff);
      encryptedStorage(memoryStorage(flash), keys).write(offset, entry);
      const tweak = Buffer.alloc(16);
      tweak.writeUInt32LE(offset);
      const cipher = createCipheriv('aes-256-xts', Buffer.concat([keys.dataKey, keys.tweakKey]), tweak);
      return flash.subarray(offset, offset + 32).equals(cipher.update(entry));
    }),
  );
});

t.test('keys are derived as the chip derives them', async (t) => {
  const message = (bytes: number[]) => Buffer.from(Array.from({ length: 8 }, () => bytes).flat());
  const by = (bytes: number[]) => createHmac('sha256', efuse).update(message(bytes)).digest();
  t.same(deriveNvsKeys(efuse), { dataKey: by([0x5a, 0x5a, 0xbe, 0xae]), tweakKey: by([0xa5, 0xa5, 0xde, 0xce]) });
  const sealed = sealForEfuse(efuse, Buffer.from('a private key'));
  const decipher = createDecipheriv('aes-256-gcm', by([0xff, 0xff, 0xff, 0xff]), by([0xcd, 0xab, 0xcd, 0xab]).subarray(0, 16));
  decipher.setAuthTag(sealed.subarray(-16));
  t.equal(Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString(), 'a private key');
  t.equal(openWithEfuse(efuse, sealed)?.toString(), 'a private key');
  t.equal(openWithEfuse(Buffer.alloc(32), sealed), undefined);
  t.equal(openWithEfuse(efuse, sealed.subarray(0, 8)), undefined);
  t.throws(() => deriveNvsKeys(Buffer.alloc(31)), { code: 'EFUSE_SIZE', seen: '31 bytes' });
});

t.test('an image for one chip opens with its eFuse only', async (t) => {
  const image = composeImage(hmac);
  t.notOk(image.includes('PRIVATE KEY'));
  t.notOk(image.includes(factory.registrationId));
  const opened = openImage(memoryStorage(image), { efuse });
  t.equal(opened.encryption, 'hmac');
  t.same(opened.factory, factory);
  t.same(opened.secureCert, contents.secureCert);
  const key = decodeTlvs(opened.partitionBytes('esp_secure_cert'), { partition: 'esp_secure_cert', offset: 0 }).find(
    ({ type }) => type === tlvType.privateKey,
  );
  t.equal(key?.flags, tlvFlag.encrypted);

  t.throws(() => openImage(memoryStorage(image)), { code: 'NVS_ENCRYPTED', where: 'partition fctry, offset 0x16000', remedy: /\.efuse/ });
  t.throws(() => openImage(memoryStorage(image), { efuse: Buffer.alloc(32, 7) }), { code: 'NVS_ENCRYPTED', message: /do not decrypt/ });
  t.throws(() => openImage(memoryStorage(composeImage(contents)), { efuse }), { code: 'NVS_ENCRYPTED' });
});

t.test('an image with a key partition opens by itself', async (t) => {
  const image = composeImage(keyed);
  t.notOk(image.includes(factory.registrationId));
  const opened = openImage(memoryStorage(image));
  t.equal(opened.encryption, 'key-partition');
  t.same(opened.factory, factory);
  t.throws(() => composeImage({ ...keyed, layout: openImage(memoryStorage(composeImage(contents))).layout }), {
    code: 'PARTITION_MISSING',
    message: /NVS keys/,
  });
  image.writeUInt8(0, 0xf000);
  t.throws(() => openImage(memoryStorage(image)), { code: 'NVS_KEYS', where: 'partition nvs_keys, offset 0xf040' });
  t.equal(openImage(memoryStorage(composeImage({ ...contents, layout: keyedLayout }))).encryption, 'none');
});

t.test('what a device writes is encrypted, and is there again', async (t) => {
  for (const [kind, chip] of [
    [hmac, { efuse }],
    [keyed, {}],
  ] as const) {
    const image = composeImage(kind);
    const hub = { type: 'string', value: 'hub-weu.azure-devices.net' } as const;
    openImage(memoryStorage(image), chip).nvs.set('assignment', 'hub', hub);
    t.notOk(image.includes(hub.value));
    t.same(openImage(memoryStorage(image), chip).nvs.get('assignment', 'hub'), hub);
    const tree = inspectImage(memoryStorage(image), chip);
    t.equal(tree.encryption, kind.encryption?.scheme);
    const fields = tree.partitions.flatMap((partition) => partition.fields.map(({ name, value }) => [name, value] as const));
    t.same(new Map(fields).get('assignment/hub'), hub.value);
    t.same(new Map(fields).get('private key'), contents.secureCert?.privateKey);
  }
});

t.test('an encrypted store holds what a plain one does, also when power is lost', async () => {
  const step = fc.record({ key: fc.constantFrom('a', 'b', 'c'), value: nvsValue(1500) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.nat(60), (steps, cutAt) => {
      const [plain, encrypted] = [Buffer.alloc(0x4000, 0xff), Buffer.alloc(0x4000, 0xff)];
      for (const flash of [memoryStorage(plain), encryptedStorage(memoryStorage(encrypted), keys)]) {
        let writes = 0;
        const failing = {
          ...flash,
          write(offset: number, bytes: Uint8Array) {
            if (writes++ >= cutAt) throw new Error('power cut');
            flash.write(offset, bytes);
          },
        };
        try {
          const store = NvsStore.open(failing);
          for (const { key, value } of steps) store.set('app', key, value);
        } catch (error) {
          if ((error as Error).message !== 'power cut') throw error;
        }
        // The repairs of the next start are writes too.
        NvsStore.open(flash);
      }
      return decryptNvs(encrypted, keys).equals(plain);
    }),
    { numRuns: 60 },
  );
});

t.test('an entry is never accessed in part', async (t) => {
  const storage = encryptedStorage(memoryStorage(Buffer.alloc(0x3000, 0xff)), keys);
  t.throws(() => storage.read(64, 8), { code: 'STORAGE_RANGE' });
  t.throws(() => storage.write(80, Buffer.alloc(32)), { code: 'STORAGE_RANGE' });
});

t.test('the eFuse lies beside its image', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'zt-efuse-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const image = join(folder, 'pump-1.bin');
  t.equal(efusePath(image), join(folder, 'pump-1.efuse'));
  t.equal(readEfuseBeside(image), undefined);
  writeFileSync(efusePath(image), efuse);
  t.same(readEfuseBeside(image), efuse);
  writeFileSync(efusePath(image), 'short');
  t.throws(() => readEfuseBeside(image), { code: 'EFUSE_SIZE', where: efusePath(image), seen: '5 bytes' });
  rmSync(efusePath(image));
  mkdirSync(efusePath(image));
  t.throws(() => readEfuseBeside(image), { code: 'EFUSE_IO', where: efusePath(image) });
});

t.test('only a chip with the peripheral can derive keys', async (t) => {
  t.throws(() => requireHmac('esp32'), { code: 'CHIP_HMAC', expected: /esp32c3/ });
  for (const name of chipNames) if (chips[name].hmac) requireHmac(name);
  t.same(
    chipNames.filter((name) => !chips[name].hmac),
    ['esp32', 'esp32c2'],
  );
});
