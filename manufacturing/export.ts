import { join } from 'node:path';
import { chips } from '@zerotouch/flash-image/chip';
import { efusePath } from '@zerotouch/flash-image/efuse';
import { encodeIntelHex } from '@zerotouch/flash-image/intel-hex';
import { isNvsKeys, partitionType, TABLE_OFFSET } from '@zerotouch/flash-image/layout';
import { TABLE_SIZE } from '@zerotouch/flash-image/partition-table';
import { encodeUf2 } from '@zerotouch/flash-image/uf2';
import { type Part, partFiles } from './export-names.js';
import { type Files, MODE, writeDurably } from './files.js';
import type { FlashPlan } from './flash.js';
import type { ExportForm } from './spec-schema.js';

/** Name of the folder of exports in the folder of a batch. */
export const EXPORT_FOLDER = 'export';
/** The argument file for `esptool.py write_flash @...`, and what to do with it. */
export const FLASH_ARGUMENTS = 'flash-args.txt';
export const COMMANDS = 'commands.txt';

/** One file of an export. Secret: it holds what the image holds. */
export interface ExportFile {
  readonly name: string;
  readonly bytes: Uint8Array | string;
}

/** A device whose image was burnt. */
export interface Exported {
  /** The whole image, from flash offset 0. */
  readonly image: Buffer;
  /** Name of the files, without extension. */
  readonly stem: string;
  readonly flash: FlashPlan;
  /** Where the image was encrypted for its chip. */
  readonly efuse?: Uint8Array;
}

/** The files of all forms that the flash plan asks for. */
export function exportFiles(exported: Exported): ExportFile[] {
  const { stem, flash, efuse } = exported;
  if (flash.exports.length === 0) return [];
  const parts = partsOf(exported);
  const files = flash.exports.flatMap((form) => formOf(form, parts, exported));
  const key = efuse === undefined ? [] : [{ name: efusePath(stem), bytes: efuse }];
  return [...files, ...key, { name: COMMANDS, bytes: commandsFor(exported) }];
}

function formOf(form: ExportForm, parts: readonly Part[], { image, stem, flash }: Exported): ExportFile[] {
  switch (form) {
    case 'partitions': {
      const files = partFiles(parts, [wholeImage(stem)]);
      const args = files.map(({ offset, file }) => `0x${offset.toString(16)} ${file}\n`).join('');
      return [...files.map(({ file, bytes }) => ({ name: file, bytes })), { name: FLASH_ARGUMENTS, bytes: args }];
    }
    case 'image':
      return [{ name: wholeImage(stem), bytes: image }];
    case 'hex':
      return [{ name: `${stem}.hex`, bytes: encodeIntelHex(parts) }];
    case 'uf2':
      return [{ name: `${stem}.uf2`, bytes: encodeUf2(parts, chips[flash.chip].uf2Family) }];
  }
}

/** Writes the export of a device into `export/STEM/`, every file 0600. What an earlier run left there is replaced. */
export async function writeExports(files: Files, out: string, exported: Exported): Promise<void> {
  const made = exportFiles(exported);
  if (made.length === 0) return;
  const folder = join(out, EXPORT_FOLDER, exported.stem);
  await files.makeFolder(folder, MODE.folder);
  for (const { name, bytes } of made) await writeDurably(files, join(folder, name), bytes, MODE.secret);
}

/** The parts of flash that are written: never the bootloader's place without a bootloader, which would erase the user's. */
function partsOf({ image, flash }: Exported): Part[] {
  const { layout, app, bootloader, chip } = flash;
  const cut = (name: string, offset: number, size: number): Part => ({ name, offset, bytes: image.subarray(offset, offset + size) });
  const data = layout.partitions.flatMap(({ name, type, offset, size }) => {
    if (type === partitionType.bootloader || type === partitionType.partitionTable) return [];
    if (type !== partitionType.app) return offset + size <= image.length ? [cut(name, offset, size)] : [];
    const first = layout.partitions.find((partition) => partition.type === partitionType.app);
    return app !== undefined && first?.name === name ? [cut(name, offset, app.length)] : [];
  });
  const start = chips[chip].bootloaderOffset;
  const before = bootloader === undefined ? [] : [cut('bootloader', start, bootloader.length)];
  return [...before, cut('partition-table', TABLE_OFFSET, TABLE_SIZE), ...data].sort((a, b) => a.offset - b.offset);
}

function wholeImage(stem: string): string {
  return `${stem}.bin`;
}

function commandsFor({ flash, stem, efuse }: Exported): string {
  const { chip, exports, layout, encryption } = flash;
  const lines = ['# zerotouch runs none of these commands. PORT is the serial port of the device.'];
  if (exports.includes('partitions'))
    lines.push('', '# Writes the flash; can be repeated.', `esptool.py --chip ${chip} --port PORT write_flash @${FLASH_ARGUMENTS}`);
  if (exports.includes('image'))
    lines.push(
      '',
      '# Writes the flash as a whole; can be repeated.',
      `esptool.py --chip ${chip} --port PORT write_flash 0x0 ${wholeImage(stem)}`,
    );
  if (efuse !== undefined) {
    lines.push(
      '',
      '# IRREVERSIBLE: burns the key that this image was encrypted for into an eFuse of this one chip, read-protected.',
      '# BLOCK_KEY0 must be empty, and the firmware must name the same block (CONFIG_NVS_SEC_HMAC_EFUSE_KEY_ID=0).',
      `espefuse.py --chip ${chip} --port PORT burn_key BLOCK_KEY0 ${efusePath(stem)} HMAC_UP`,
    );
  }
  if (encryption === 'key-partition') {
    const name = layout.partitions.find(isNvsKeys)?.name ?? 'nvs_keys';
    lines.push(
      '',
      `# IRREVERSIBLE: ${name} lies open until flash encryption is on. A bootloader with CONFIG_SECURE_FLASH_ENC_ENABLED turns it on at the`,
      '# first start of the device, and burns the eFuses for it by itself.',
    );
  }
  return `${lines.join('\n')}\n`;
}
