import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readIdentity } from '@zerotouch/firmware-sim/identity/identity';
import { encodeFactory } from '@zerotouch/flash-image/factory';
import { openImage } from '@zerotouch/flash-image/image';
import { decodeIntelHex } from '@zerotouch/flash-image/intel-hex';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { decodeUf2 } from '@zerotouch/flash-image/uf2';
import { exportFiles } from '@zerotouch/manufacturing/export';
import { systemFiles } from '@zerotouch/manufacturing/files';
import { openFlash } from '@zerotouch/manufacturing/flash';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t, { type Test } from 'tap';
import { burn, certified, MIXED } from './workbench.js';

const APP = Buffer.concat([Buffer.from([0xe9]), Buffer.alloc(70_000, 0x5a)]);
const BOOTLOADER = Buffer.concat([Buffer.from([0xe9]), Buffer.alloc(20_000, 0xb0)]);

function folder(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'zt-flash-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

t.test('images for the HMAC scheme open with the eFuse beside them, and identify', async (t) => {
  const out = join(folder(t), 'batch');
  t.match(await burn(`encryption: hmac\n${MIXED}`, out), { burnt: 10, failed: 0 });
  const names = readdirSync(join(out, 'images'));
  t.equal(names.filter((name) => name.endsWith('.efuse')).length, 10);
  const keys = new Set<string>();
  for (const name of names.filter((one) => one.endsWith('.bin'))) {
    const path = join(out, 'images', name);
    const efusePath = path.replace('.bin', '.efuse');
    t.equal(statSync(efusePath).mode & 0o777, 0o600);
    const efuse = readFileSync(efusePath);
    keys.add(efuse.toString('hex'));
    const bytes = readFileSync(path);
    t.throws(() => openImage(memoryStorage(bytes)), { code: 'NVS_ENCRYPTED' });
    const { registrationId } = readIdentity(openImage(memoryStorage(bytes), { efuse }));
    t.equal(`${registrationId.replaceAll(':', '%3A')}.bin`, name);
    t.notOk(bytes.includes(registrationId) && !bytes.includes('BEGIN CERTIFICATE'), 'no name in the clear but in a certificate');
  }
  t.equal(keys.size, 10);
});

t.test('images with a key partition open by themselves', async (t) => {
  const out = join(folder(t), 'batch');
  t.match(await burn(`encryption: key-partition\n${certified()}`, out), { burnt: 2, failed: 0 });
  const image = openImage(memoryStorage(readFileSync(join(out, 'images', 'x-000001.bin'))));
  t.equal(image.encryption, 'key-partition');
  t.equal(readIdentity(image).registrationId, 'x-000001');
  t.notOk(existsSync(join(out, 'images', 'x-000001.efuse')));
});

t.test("a layout, an application and a bootloader of the user's; every export says the same", async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'app.bin'), APP);
  writeFileSync(join(dir, 'bootloader.bin'), BOOTLOADER);
  writeFileSync(
    join(dir, 'parts.csv'),
    'cert,0x3F,,0xa000,8K\nfctry,data,nvs,,12K\nnvs,data,nvs,,16K\nmain,app,factory,,1M\nlog,data,spiffs,,64K\n',
  );
  const top = `chip: esp32s2\nencryption: hmac\npartitions: ${join(dir, 'parts.csv')}\napp: ${join(dir, 'app.bin')}\nbootloader: ${join(dir, 'bootloader.bin')}\nexport: [partitions, image, hex, uf2]\n`;
  const out = join(dir, 'batch');
  t.match(await burn(certified(top, 1), out), { burnt: 1, failed: 0, failures: [] });
  const image = readFileSync(join(out, 'images', 'x-000001.bin'));
  const folderOf = join(out, 'export', 'x-000001');
  const exported = (name: string): Buffer => readFileSync(join(folderOf, name));
  t.same(image.subarray(0x1000, 0x1000 + BOOTLOADER.length), BOOTLOADER);
  t.same(image.subarray(0x20000, 0x20000 + APP.length), APP);
  const efuse = readFileSync(join(out, 'images', 'x-000001.efuse'));
  t.equal(openImage(memoryStorage(image), { efuse }).factory.registrationId, 'x-000001');

  t.same(exported('x-000001.bin'), image);
  t.same(exported('x-000001.efuse'), efuse);
  const args = exported('flash-args.txt')
    .toString()
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  t.same(args, [
    ['0x1000', 'bootloader.bin'],
    ['0x8000', 'partition-table.bin'],
    ['0xa000', 'cert.bin'],
    ['0xc000', 'fctry.bin'],
    ['0xf000', 'nvs.bin'],
    ['0x20000', 'main.bin'],
    ['0x120000', 'log.bin'],
  ]);
  const flashed = Buffer.alloc(image.length, 0xff);
  for (const [offset = '', name = ''] of args) exported(name).copy(flashed, Number(offset));
  t.ok(flashed.equals(image), 'the single partitions make up the image');
  for (const segments of [decodeIntelHex(exported('x-000001.hex').toString()), decodeUf2(exported('x-000001.uf2')).segments]) {
    const again = Buffer.alloc(image.length, 0xff);
    for (const { offset, bytes } of segments) again.set(bytes.subarray(0, again.length - offset), offset);
    t.ok(again.equals(image));
  }
  t.equal(decodeUf2(exported('x-000001.uf2')).family, 0xbfdd4eee);
  const commands = exported('commands.txt').toString();
  t.match(commands, /zerotouch runs none/);
  t.match(commands, /IRREVERSIBLE[\s\S]*espefuse\.py --chip esp32s2 --port PORT burn_key BLOCK_KEY0 x-000001\.efuse HMAC_UP/);
  for (const name of readdirSync(folderOf)) t.equal(statSync(join(folderOf, name)).mode & 0o777, 0o600, name);
});

t.test('without a bootloader nothing is written over that of the board', async (t) => {
  const flash = await openFlash(parseSpec(`${certified('encryption: key-partition\nexport: [partitions, hex]\n')}`, 'b.yaml'), systemFiles);
  const files = exportFiles({ image: Buffer.alloc(0x20000, 0x77), stem: 'a', flash });
  t.notOk(files.some(({ name }) => name === 'bootloader.bin' || name === 'factory.bin'));
  t.equal(decodeIntelHex(String(files.find(({ name }) => name === 'a.hex')?.bytes))[0]?.offset, 0x8000);
  t.match(String(files.find(({ name }) => name === 'commands.txt')?.bytes), /IRREVERSIBLE: nvs_keys/);
});

t.test('a partition table cannot name a file elsewhere, one of ours, or two words', async (t) => {
  const dir = folder(t);
  const rows = ['../../../x', 'partition-table', 'my part', 'MY_PART', "it's"].map((name) => `${name},data,0x99,,4K`);
  writeFileSync(join(dir, 'parts.csv'), ['cert,0x3F,,0xa000,8K', 'fctry,data,nvs,,12K', 'nvs,data,nvs,,16K', ...rows, ''].join('\n'));
  const out = join(dir, 'batch');
  await burn(certified(`partitions: ${join(dir, 'parts.csv')}\nexport: [partitions]\n`, 1), out);
  t.same(readdirSync(dir).sort(), ['batch', 'parts.csv']);
  const exported = join(out, 'export', 'x-000001');
  t.equal(
    readFileSync(join(exported, 'flash-args.txt'), 'utf8'),
    `0x8000 partition-table.bin
0xa000 cert.bin
0xc000 fctry.bin
0xf000 nvs.bin
0x13000 __.._.._x.bin
0x14000 partition-table-0x14000.bin
0x15000 my_part.bin
0x16000 MY_PART-0x16000.bin
0x17000 it_s.bin
`,
  );
  t.equal(readFileSync(join(exported, 'partition-table.bin')).readUInt16BE(0), 0xaa50);
  t.equal(readdirSync(exported).length, 11);
});

for (const [what, top, expected] of [
  ['HMAC on a chip without it', 'chip: esp32\nencryption: hmac\n', { code: 'SPEC_INVALID', message: /encryption.*HMAC peripheral/ }],
  ['an unknown chip', 'chip: esp8266\n', { code: 'SPEC_INVALID', message: /chip/ }],
  ['a whole image without bootloader', 'export: [image]\n', { code: 'SPEC_INVALID', message: /bootloader/ }],
] as const) {
  t.test(`${what} is refused`, async (t) => {
    t.throws(() => parseSpec(certified(top), 'b.yaml'), expected);
  });
}

t.test('factory data fit the smallest partition that is let through', async (t) => {
  const longest = {
    idScope: '0ne'.padEnd(32, 'F'),
    endpoint: 'x'.repeat(253),
    registrationId: 'r'.repeat(128),
    serial: 's'.repeat(128),
    symmetricKey: Buffer.alloc(64),
    secondaryKey: Buffer.alloc(64),
  };
  t.equal(encodeFactory({ ...longest, serverRoots: 'p'.repeat(2_500) }, 0x1000).length, 0x1000);
  t.equal(encodeFactory({ ...longest, serverRoots: 'p'.repeat(6_000) }, 0x2000).length, 0x2000);
  t.throws(() => encodeFactory({ ...longest, serverRoots: 'p'.repeat(6_000) }, 0x1000), { code: 'NVS_FULL' });
});

t.test('files that do not fit are refused before anything is burnt', async (t) => {
  const dir = folder(t);
  const write = (name: string, contents: string | Buffer) => {
    writeFileSync(join(dir, name), contents);
    return join(dir, name);
  };
  const flash = (top: string) => openFlash(parseSpec(certified(top), 'b.yaml'), systemFiles);
  await t.rejects(flash(`app: ${write('elf', Buffer.from([0x7f, 0x45]))}\n`), { code: 'FLASH_INPUT', seen: '7f45' });
  await t.rejects(flash(`app: ${join(dir, 'nowhere.bin')}\n`), { code: 'FLASH_INPUT', where: join(dir, 'nowhere.bin') });
  for (const field of ['app', 'bootloader', 'partitions'])
    await t.rejects(flash(`${field}: ${dir}\n`), { code: 'FLASH_INPUT', where: dir, seen: 'EISDIR' }, field);
  await t.rejects(flash(`bootloader: ${write('big', Buffer.alloc(0x8001, 0xe9))}\n`), { code: 'FLASH_INPUT', expected: /32768/ });
  const csv = (text: string) => `partitions: ${write('p.csv', text)}\n`;
  await t.rejects(flash(csv('nvs,data,nvs,,16K\n')), { code: 'FLASH_INPUT', message: /factory data/ });
  await t.rejects(flash(csv('fctry,data,nvs,,4K,readonly\nnvs,data,nvs,,12K\nc,0x3F,,,4K\n')), {
    code: 'FLASH_INPUT',
    message: /certificates/,
  });
  await t.rejects(flash(csv('fctry,data,nvs,,12K\n')), { code: 'FLASH_INPUT', message: /device writes/ });
  await t.rejects(flash(csv('fctry,data,nvs,,12K\nnvs,data,nvs,,12K\n')), { code: 'FLASH_INPUT', message: /certificates/ });
  const noKeys = `encryption: key-partition\n${csv('fctry,data,nvs,,12K\nnvs,data,nvs,,12K\nc,0x3F,,,8K\n')}`;
  await t.rejects(flash(noKeys), { code: 'FLASH_INPUT', message: /NVS keys/ });
  const out = join(dir, 'batch');
  await t.rejects(burn(certified(`app: ${join(dir, 'nowhere.bin')}\n`), out), { code: 'FLASH_INPUT' });
  t.notOk(existsSync(out), 'nothing was made');
});
