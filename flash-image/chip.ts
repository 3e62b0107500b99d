import { ImageFault } from './faults.js';

/** What differs between Espressif's chips, as far as an image is concerned. */
export interface Chip {
  /** Flash offset of the second-stage bootloader. Source: esptool, BOOTLOADER_FLASH_OFFSET. */
  readonly bootloaderOffset: number;
  /** Whether it can derive keys from an eFuse that software cannot read. Source: esp-idf, SOC_HMAC_SUPPORTED. */
  readonly hmac: boolean;
  /** Family of UF2 files. Source: microsoft/uf2, uf2families.json. */
  readonly uf2Family: number;
}

/** The chips an image can be made for, by esptool's names. */
export const chips = {
  esp32: { bootloaderOffset: 0x1000, hmac: false, uf2Family: 0x1c5f21b0 },
  esp32s2: { bootloaderOffset: 0x1000, hmac: true, uf2Family: 0xbfdd4eee },
  esp32s3: { bootloaderOffset: 0, hmac: true, uf2Family: 0xc47e5767 },
  esp32c2: { bootloaderOffset: 0, hmac: false, uf2Family: 0x2b88d29c },
  esp32c3: { bootloaderOffset: 0, hmac: true, uf2Family: 0xd42ba06c },
  esp32c5: { bootloaderOffset: 0x2000, hmac: true, uf2Family: 0xf71c0343 },
  esp32c6: { bootloaderOffset: 0, hmac: true, uf2Family: 0x540ddf62 },
  esp32h2: { bootloaderOffset: 0, hmac: true, uf2Family: 0x332726f6 },
  esp32p4: { bootloaderOffset: 0x2000, hmac: true, uf2Family: 0x3d308e94 },
} as const satisfies Record<string, Chip>;

/** Name of a chip, as esptool writes it. */
export type ChipName = keyof typeof chips;

/** All names, for a schema or a message. */
export const chipNames = Object.keys(chips) as [ChipName, ...ChipName[]];

/** The chip of our default layout. */
export const DEFAULT_CHIP: ChipName = 'esp32c3';

/**
 * Makes sure that a chip can derive keys from an eFuse.
 * @throws ImageFault CHIP_HMAC
 */
export function requireHmac(name: ChipName): void {
  if (chips[name].hmac) return;
  throw new ImageFault('CHIP_HMAC', `the ${name} has no HMAC peripheral: it cannot derive keys from an eFuse`, {
    seen: name,
    expected: `one of ${chipNames.filter((other) => chips[other].hmac).join(', ')}`,
    remedy: 'choose another chip, or encryption: key-partition with flash encryption',
  });
}
