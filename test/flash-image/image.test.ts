import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeImage, openImage } from '@zerotouch/flash-image/image';
import { inspectImage } from '@zerotouch/flash-image/inspect';
import { defaultLayout, type Layout } from '@zerotouch/flash-image/layout';
import { fileStorage, memoryStorage } from '@zerotouch/flash-image/storage';
import t from 'tap';
import { golden } from './support/golden.js';
import { contents, factory, goodImage } from './support/images.js';

t.test('a composed image holds the golden bytes at their offsets and FF elsewhere', async (t) => {
  const image = goodImage();
  t.equal(image.length, 0x20000);
  const cert = golden('esp_secure_cert.bin');
  t.ok(image.subarray(0xd000, 0xd000 + cert.length).equals(cert));
  t.ok(image.subarray(0x16000, 0x19000).equals(golden('fctry.bin')));
  const used = [
    [0x8000, 0x8000 + 0xc00],
    [0xd000, 0xd000 + cert.length],
    [0x16000, 0x19000],
  ] as const;
  for (const [from, to] of used) image.fill(0xff, from, to);
  t.ok(image.equals(Buffer.alloc(0x20000, 0xff)));
});

t.test('an image gives back what went in', async (t) => {
  const image = openImage(memoryStorage(goodImage()));
  t.same(image.layout, defaultLayout);
  t.same(image.factory, factory);
  t.same(image.secureCert, contents.secureCert);
  t.ok(image.partitionBytes('fctry').equals(golden('fctry.bin')));
  t.same(image.nvs.entries(), []);
  t.equal(image.nvs, image.nvs, 'one store for one image');
  t.throws(() => image.partitionBytes('nvs_keys'), { code: 'PARTITION_MISSING', expected: 'an entry named nvs_keys' });
});

t.test('certificate and key are each optional', async (t) => {
  const { symmetricKey, ...bare } = factory;
  const x509 = openImage(memoryStorage(composeImage({ ...contents, factory: bare })));
  t.notOk('symmetricKey' in x509.factory);
  t.same(openImage(memoryStorage(composeImage({ factory }))).secureCert, undefined);
  t.same(openImage(memoryStorage(composeImage({ factory }))).factory.symmetricKey, symmetricKey);
});

t.test('an application comes last and must fit', async (t) => {
  const app = Buffer.alloc(5000, 0xe9);
  const image = composeImage({ ...contents, app });
  t.equal(image.length, 0x22000);
  t.ok(image.subarray(0x20000, 0x20000 + app.length).equals(app));
  t.same(openImage(memoryStorage(image)).factory, factory);
  t.throws(() => composeImage({ ...contents, app: Buffer.alloc(0x100001) }), {
    code: 'PARTITION_TOO_SMALL',
    where: 'partition factory, offset 0x20000',
  });
});

t.test('contents that a layout has no place for are refused', async (t) => {
  const without = (name: string): Layout => ({
    ...defaultLayout,
    partitions: defaultLayout.partitions.filter((partition) => partition.name !== name),
  });
  t.throws(() => composeImage({ ...contents, layout: without('esp_secure_cert') }), { code: 'PARTITION_MISSING' });
  t.throws(() => composeImage({ ...contents, layout: without('fctry') }), { code: 'PARTITION_MISSING' });
  t.throws(() => composeImage({ ...contents, app: Buffer.alloc(1), layout: without('factory') }), { code: 'PARTITION_MISSING' });
  const certless = composeImage({ factory, layout: without('esp_secure_cert') });
  t.equal(openImage(memoryStorage(certless)).secureCert, undefined);
  const huge = { ...contents.secureCert, deviceCertificate: `-----BEGIN ${'x'.repeat(9000)}`, privateKey: '-----BEGIN ' };
  t.throws(() => composeImage({ factory, secureCert: huge }), {
    code: 'PARTITION_TOO_SMALL',
    where: 'partition esp_secure_cert, offset 0xd000',
  });
});

t.test('what the device writes stays in its own partition of the file', async (t) => {
  const path = join(t.testdir(), 'device.bin');
  writeFileSync(path, goodImage());
  const storage = fileStorage(path);
  openImage(storage).nvs.set('assignment', 'hub', { type: 'string', value: 'hub-weu.azure-devices.net' });
  storage.close();
  const again = fileStorage(path, { readOnly: true });
  t.same(openImage(again).nvs.get('assignment', 'hub'), { type: 'string', value: 'hub-weu.azure-devices.net' });
  t.throws(() => openImage(again).nvs.delete('assignment', 'hub'), { code: 'STORAGE_READ_ONLY' });
  const written = again.read(0, again.size);
  again.close();
  written.fill(0xff, 0x10000, 0x16000);
  t.ok(written.equals(goodImage()));
});

t.test('inspection shows the tree and marks secrets', async (t) => {
  const image = goodImage();
  openImage(memoryStorage(image)).nvs.set('boot', 'count', { type: 'u64', value: 2n ** 60n });
  const before = Buffer.from(image);
  const tree = inspectImage(memoryStorage(image));
  t.ok(image.equals(before), 'nothing is written');
  t.equal(tree.size, 0x20000);
  t.same(
    tree.partitions.map(({ name, holds, present }) => [name, holds, present]),
    [
      ['esp_secure_cert', 'secure-cert', true],
      ['nvs', 'nvs', true],
      ['fctry', 'nvs', true],
      ['factory', 'other', false],
    ],
  );
  const fields = tree.partitions.flatMap(({ fields }) => fields);
  t.same(
    fields.filter(({ secret }) => secret).map(({ name, offset }) => [name, offset]),
    [
      ['private key', 0xd510],
      ['dps/sym_key', 0x161c0],
    ],
  );
  t.match(
    fields.find(({ name }) => name === 'dps/reg_id'),
    { type: 'string', value: 'thermo-000001', offset: 0x16100, secret: false },
  );
  t.match(
    fields.find(({ name }) => name === 'boot/count'),
    { type: 'u64', value: '1152921504606846976' },
  );
  t.doesNotThrow(() => JSON.stringify(tree));
});

t.test('inspection lists what a power cut left in the device NVS', async (t) => {
  const image = goodImage();
  openImage(memoryStorage(image)).nvs.set('boot', 'count', { type: 'u8', value: 1 });
  image.writeUInt8(0x21, 0x10000 + 64 + 2 * 32);
  const nvs = inspectImage(memoryStorage(image)).partitions.find(({ name }) => name === 'nvs');
  t.match(nvs, { damage: [/^partition nvs, offset 0x10080: .* not erased; expected FF/], fields: [{ name: 'boot/count', value: 1 }] });
});
