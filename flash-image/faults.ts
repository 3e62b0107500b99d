import { Fault } from '@zerotouch/foundation/fault';

/** Codes of {@link ImageFault}, by the thing that is wrong. */
export type ImageFaultCode =
  /** The storage underneath: outside of it, not writable, or the file system refused. */
  | 'STORAGE_RANGE'
  | 'STORAGE_READ_ONLY'
  | 'STORAGE_IO'
  | 'STORAGE_BUSY'
  /** NOR flash: what no chip does, and what a worn one no longer does. */
  | 'NOR_PROGRAM'
  | 'NOR_ERASE'
  | 'NOR_BAD_SECTOR'
  /** The image as a whole: nothing in it, too short, something else altogether. */
  | 'IMAGE_EMPTY'
  | 'IMAGE_SHORT'
  | 'IMAGE_FOREIGN'
  /** A layout that no table may say. */
  | 'LAYOUT_NAME'
  | 'LAYOUT_BOUNDS'
  | 'LAYOUT_ALIGNMENT'
  | 'LAYOUT_SIZE'
  | 'LAYOUT_OVERLAP'
  /** The partition table at 0x8000. */
  | 'TABLE_ENTRY'
  | 'TABLE_MD5'
  | 'PARTITION_MISSING'
  | 'PARTITION_TOO_SMALL'
  /** Applications and their slots. */
  | 'APP_MISSING'
  | 'APP_DAMAGED'
  | 'APP_NONE'
  | 'APP_ON_TRIAL'
  /** esp_secure_cert. */
  | 'CERT_TLV'
  | 'CERT_CRC'
  | 'CERT_INTEGRITY'
  | 'CERT_MISSING'
  | 'CERT_VALUE'
  | 'CERT_UNSUPPORTED'
  /** Encrypted for a chip: its eFuse was not given, or is another one. */
  | 'CERT_ENCRYPTED'
  /** NVS partitions. */
  | 'NVS_SIZE'
  | 'NVS_VERSION'
  | 'NVS_PAGE_STATE'
  | 'NVS_PAGE_CRC'
  | 'NVS_ENTRY_STATE'
  | 'NVS_ENTRY_CRC'
  | 'NVS_ENTRY'
  | 'NVS_DATA_CRC'
  | 'NVS_BLOB'
  | 'NVS_NAMESPACE'
  | 'NVS_DUPLICATE'
  | 'NVS_KEY'
  | 'NVS_VALUE'
  | 'NVS_FULL'
  /** Encrypted NVS: the keys are damaged; the entries and the keys (or their absence) do not go together. */
  | 'NVS_KEYS'
  | 'NVS_ENCRYPTED'
  /** A chip, and the file that stands for its eFuse. */
  | 'CHIP_HMAC'
  | 'EFUSE_SIZE'
  | 'EFUSE_IO'
  /** Exported forms of an image. */
  | 'EXPORT_HEX'
  | 'EXPORT_UF2'
  /** A field of the factory data that is absent or of the wrong type. */
  | 'FACTORY_FIELD';

/** Something about a flash image that is not as Espressif's formats say; the message names partition, offset and expectation. */
export class ImageFault extends Fault<ImageFaultCode> {}

/** Whether an error says that this place of the flash takes no more writes, while others may: another place is worth a try. */
export function isWornOut(error: unknown): error is ImageFault {
  if (!(error instanceof ImageFault)) return false;
  return (
    error.code === 'NOR_BAD_SECTOR' || (error.code === 'STORAGE_IO' && (error.cause as { code?: unknown } | undefined)?.code === 'EIO')
  );
}

/** Where a run of bytes lies in flash, so that an error can name the partition and the offset a hex editor would show. */
export interface Place {
  readonly partition: string;
  /** Flash offset of the first byte. */
  readonly offset: number;
}

/** `0x16060`. */
export function hex(value: number): string {
  return `${value < 0 ? '-' : ''}0x${Math.abs(value).toString(16)}`;
}

/** The `where` of a fault: `partition fctry, offset 0x16060`; `inside` counts from the start of the place. */
export function locate(place: Place, inside = 0): string {
  return `partition ${place.partition}, offset ${hex(place.offset + inside)}`;
}
