import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Memory } from '@zerotouch/firmware-sim/boot/memory';
import { powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { blockDeviceStorage } from '@zerotouch/flash-image/block-device';
import { composeImage, openImage } from '@zerotouch/flash-image/image';
import { fileStorage } from '@zerotouch/flash-image/storage';
import t, { type Test } from 'tap';

const image = composeImage({
  factory: {
    idScope: '0ne00000A1B',
    endpoint: 'global.azure-devices-provisioning.net',
    registrationId: 'x-1',
    serial: '1',
    symmetricKey: Buffer.alloc(32, 7),
  },
});

/** Others may take the device that was found free in the same moment. */
const ATTEMPTS = 20;

/** A block device of the kernel's own over a file. */
function loopDevice(t: Test): string {
  const file = join(t.testdir(), 'card.img');
  writeFileSync(file, Buffer.concat([image, Buffer.alloc(64 * 1024)]));
  let said = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { stdout, stderr, status, error } = spawnSync('losetup', ['--find', '--show', file], { encoding: 'utf8' });
    if (status === 0) {
      const device = stdout.trim();
      t.teardown(() => spawnSync('losetup', ['--detach', device]));
      return device;
    }
    said = error?.message ?? stderr.trim();
  }
  throw new Error(
    `no loop device can be made here, and block devices go untested: that takes root, losetup and /dev/loop-control (${said})`,
  );
}

t.test('an image on a block device', async (t) => {
  const device = loopDevice(t);

  await t.test('its size is the device, and what is written is kept', async (t) => {
    const storage = fileStorage(device);
    t.equal(storage.size, image.length + 64 * 1024);
    const memory = new Memory(openImage(storage).nvs);
    memory.keepAssignment('0ne00000A1B', { hub: 'hub-weu.azure-devices.net', deviceId: 'x-1' });
    storage.sync();
    storage.close();
    const again = fileStorage(device, { readOnly: true });
    t.equal(new Memory(openImage(again).nvs).assignment('0ne00000A1B')?.hub, 'hub-weu.azure-devices.net');
    t.throws(() => again.write(0, Buffer.of(1)), { code: 'STORAGE_READ_ONLY' });
    again.close();
  });

  await t.test('one process alone has it, and when that is killed nobody has', async (t) => {
    const script = `import('node:fs').then(({ openSync, constants }) => {
      openSync(process.argv[1], constants.O_RDWR | constants.O_EXCL); console.log('open'); setInterval(() => {}, 1e6);
    })`;
    const holder = spawn(process.execPath, ['-e', script, device], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => holder.kill('SIGKILL'));
    await once(holder.stdout, 'data');
    t.throws(() => blockDeviceStorage(device), { code: 'STORAGE_BUSY', where: device });
    await t.rejects(powerOn({ flash: device }), { code: 'STORAGE_BUSY' });
    holder.kill('SIGKILL');
    await once(holder, 'close');
    blockDeviceStorage(device).close();
  });
});
