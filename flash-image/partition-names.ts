import { partitionType } from './layout.js';

const numbered = (stem: string, count: number, first: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${stem}_${index}`, first + index]));

/** Names of partition types in a CSV. Source: esp-idf v5.5, gen_esp32part. */
export const typeNames: Readonly<Record<string, number>> = {
  bootloader: partitionType.bootloader,
  partition_table: partitionType.partitionTable,
  app: partitionType.app,
  data: partitionType.data,
};

/** Names of subtypes by their type. Source: esp-idf v5.5, gen_esp32part. */
export const subtypeNames: Readonly<Record<number, Readonly<Record<string, number>>>> = {
  [partitionType.bootloader]: { primary: 0x00, ota: 0x01, recovery: 0x02 },
  [partitionType.partitionTable]: { primary: 0x00, ota: 0x01 },
  [partitionType.app]: { factory: 0x00, test: 0x20, ...numbered('ota', 16, 0x10), ...numbered('tee', 2, 0x30) },
  [partitionType.data]: {
    ota: 0x00,
    phy: 0x01,
    nvs: 0x02,
    coredump: 0x03,
    nvs_keys: 0x04,
    efuse: 0x05,
    undefined: 0x06,
    esphttpd: 0x80,
    fat: 0x81,
    spiffs: 0x82,
    littlefs: 0x83,
    tee_ota: 0x90,
  },
};

/** What an empty subtype stands for, of whatever type but an application's. */
export const UNDEFINED_SUBTYPE = 0x06;
