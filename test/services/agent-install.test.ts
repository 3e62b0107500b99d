import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';

const service = fileURLToPath(new URL('../../../firmware-sim/service/', import.meta.url));
const run = promisify(execFile);

/** Runs a script of the service against a tree. */
async function inTree(tree: string, script: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(join(service, script), args, { env: { ...process.env, DESTDIR: tree, NODE: process.execPath } });
  return stdout;
}

function place(t: Test): { tree: string; image: string } {
  const dir = mkdtempSync(join(tmpdir(), 'zt-install-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const image = join(dir, 'pump-1.bin');
  writeFileSync(image, 'the image');
  writeFileSync(join(dir, 'pump-1.efuse'), 'the fuse');
  return { tree: join(dir, 'tree'), image };
}

/** Every file of a tree: its mode, contents, and when it was written. */
function contents(tree: string): Record<string, unknown> {
  const files = readdirSync(tree, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(tree, path)).isFile());
  return Object.fromEntries(
    files.sort().map((path) => {
      const { mode, mtimeMs } = statSync(join(tree, path));
      return [path, { mode: (mode & 0o777).toString(8), mtimeMs, text: readFileSync(join(tree, path), 'utf8') }];
    }),
  );
}

const unit = 'etc/systemd/system/zerotouch-device.service';

t.test('installed twice: the second time nothing is touched', async (t) => {
  const { tree, image } = place(t);
  await inTree(tree, 'install.sh', '--image', image);
  const once = contents(tree);
  t.match(once, {
    'etc/zerotouch-device/device.yaml': { mode: '644', text: /^image: \/var\/lib\/zerotouch-device\/image\.bin$/m },
    'var/lib/zerotouch-device/image.bin': { mode: '600', text: 'the image' },
    'var/lib/zerotouch-device/image.efuse': { mode: '600', text: 'the fuse' },
    'usr/lib/sysusers.d/zerotouch-device.conf': { text: /^u zerotouch-device - / },
    [unit]: { mode: '644', text: /^Type=notify$/m },
    'etc/systemd/system/multi-user.target.wants/zerotouch-device.service': {},
  });
  t.notMatch((once[unit] as { text: string }).text, /@[A-Z]+@/, 'nothing is left to fill in');
  t.match(await inTree(tree, 'install.sh', '--image', image), /kept: .*image\.bin/);
  t.strictSame(contents(tree), once);

  t.test('what the device learned and what a person wrote stay', async (t) => {
    writeFileSync(join(tree, 'var/lib/zerotouch-device/image.bin'), 'the image, with an assignment');
    writeFileSync(
      join(tree, 'etc/zerotouch-device/device.yaml'),
      'version: 1\nimage: /var/lib/zerotouch-device/image.bin\ntransport: amqp\n',
    );
    const before = contents(tree);
    await inTree(tree, 'install.sh', '--image', image);
    t.strictSame(contents(tree), before);
    t.match(await inTree(tree, 'install.sh', '--image', image, '--replace-image'), /copied/);
    t.match(contents(tree), { 'var/lib/zerotouch-device/image.bin': { text: 'the image' } });
  });

  t.test('uninstalled twice: the identity and the settings stay, but with --purge', async (t) => {
    for (const _ of [1, 2]) {
      await inTree(tree, 'uninstall.sh');
      t.strictSame(Object.keys(contents(tree)), [
        'etc/zerotouch-device/device.yaml',
        'var/lib/zerotouch-device/image.bin',
        'var/lib/zerotouch-device/image.efuse',
      ]);
    }
    await inTree(tree, 'uninstall.sh', '--purge');
    t.strictSame(contents(tree), {});
  });
});

t.test('a partition and a TPM: the service gets these devices and no other', async (t) => {
  const { tree } = place(t);
  const args = ['--image', '/dev/mmcblk0p3', '--tpm', '/dev/tpmrm0'];
  await inTree(tree, 'install.sh', ...args);
  const once = contents(tree);
  t.match(once, {
    'etc/zerotouch-device/device.yaml': { text: /^image: \/dev\/mmcblk0p3$[\s\S]*^tpm: \/dev\/tpmrm0$/m },
    [`${unit}.d/devices.conf`]: { text: /^DeviceAllow=\/dev\/mmcblk0p3 rw\nDeviceAllow=\/dev\/tpmrm0 rw$/m },
    'etc/udev/rules.d/70-zerotouch-device.rules': { text: /^KERNEL=="mmcblk0p3", GROUP="zerotouch-device", MODE="0660"$/m },
  });
  await inTree(tree, 'install.sh', ...args);
  t.strictSame(contents(tree), once);
});

t.test('bad use: one line, exit code 2, nothing written', async (t) => {
  const { tree } = place(t);
  for (const args of [[], ['--image'], ['--image', '/nowhere.bin'], ['--imagine', 'x']]) {
    await t.rejects(inTree(tree, 'install.sh', ...args), { code: 2, stderr: /^install\.sh: [^\n]+\n$/ }, args.join(' '));
  }
  await t.rejects(inTree(tree, 'uninstall.sh', '--all'), { code: 2 });
  t.throws(() => statSync(tree), { code: 'ENOENT' });
});

t.test("systemd's own check of the unit, with and without devices", async (t) => {
  for (const args of [['--image'], ['--image', '/dev/mmcblk0p3']]) {
    const { tree, image } = place(t);
    await inTree(tree, 'install.sh', ...(args.length === 1 ? [...args, image] : args));
    // In place of the tree's own, systemd would read the machine's units beside it.
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', join(tree, unit)]);
    t.equal(stdout + stderr, '');
  }
});
