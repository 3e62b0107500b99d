import type { Layout } from './layout.js';
import type { NvsStore } from './nvs/store.js';
import type { SecureCert } from './secure-cert.js';
import type { Storage } from './storage.js';

/** What the factory burns besides certificates: NVS partition `fctry`, namespace `dps`. */
export interface FactoryData {
  /** Key `id_scope`. */
  readonly idScope: string;
  /** Key `endpoint`: host name of the device provisioning service. */
  readonly endpoint: string;
  /** Key `reg_id`. */
  readonly registrationId: string;
  /** Key `serial`. */
  readonly serial: string;
  /** Key `sym_key`, a blob: the device's own (derived) key, never the group's. Absent where there is a certificate. */
  readonly symmetricKey?: Uint8Array;
}

/** Everything one image carries. */
export interface ImageContents {
  /** {@link defaultLayout} unless given. */
  readonly layout?: Layout;
  readonly factory: FactoryData;
  readonly secureCert?: SecureCert;
  /** An application for the first app partition. */
  readonly app?: Uint8Array;
}

/** An image that was opened: its read-only parts, already checked, and the part the device writes. */
export interface FlashImage {
  readonly layout: Layout;
  readonly factory: FactoryData;
  /** Absent where esp_secure_cert is empty. */
  readonly secureCert: SecureCert | undefined;
  /** The device's own NVS; opened (and repaired after a power cut) at first use. */
  readonly nvs: NvsStore;
  /** A copy of a partition's bytes. */
  partitionBytes(name: string): Buffer;
}

/** The image from flash offset 0; the bootloader area stays FF. It ends after the last partition that holds something: 0x20000 without app. */
export declare function composeImage(contents: ImageContents): Buffer;

/** Opens an image and checks table, factory data and certificates; an {@link ImageFault} names what is wrong. */
export declare function openImage(storage: Storage): FlashImage;
