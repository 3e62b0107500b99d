import { ImageFault, locate, type Place } from './faults.js';
import { encryptNvs, type NvsKeys } from './nvs/encryption.js';
import { generateNvs } from './nvs/generate.js';
import { readNvs } from './nvs/read.js';
import type { NvsEntry, NvsValue } from './nvs/value.js';

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
  /** Key `sym_key`, a blob: the device's own (derived) key, never the group's. Absent where there is a certificate. Secret. */
  readonly symmetricKey?: Uint8Array;
  /** Key `sym_key2`, a blob: the other key of its enrolment, for the day the first one is rolled. Secret. */
  readonly secondaryKey?: Uint8Array;
  /**
   * Key `srv_roots`, a blob: the roots that a server's certificate may end at, PEM, one after the other, ended in flash by a NUL (as
   * `esp_tls_cfg_t.cacert_buf` takes it). Absent: the device trusts whom its runtime trusts.
   */
  readonly serverRoots?: string;
}

/** The namespace of factory data, and the keys in it that are secret. */
export const FACTORY_NAMESPACE = 'dps';
const SYMMETRIC_KEY = 'sym_key';
const SECONDARY_KEY = 'sym_key2';
const SERVER_ROOTS = 'srv_roots';
export const secretKeys: readonly string[] = [SYMMETRIC_KEY, SECONDARY_KEY];

/** The NVS partition of `size` bytes that carries the data, encrypted where there are keys. */
export function encodeFactory(
  { idScope, endpoint, registrationId, serial, symmetricKey, secondaryKey, serverRoots }: FactoryData,
  size: number,
  keys?: NvsKeys,
): Buffer {
  const entry = (key: string, value: NvsValue): NvsEntry => ({ namespace: FACTORY_NAMESPACE, key, value });
  const entries = [
    entry('id_scope', { type: 'string', value: idScope }),
    entry('endpoint', { type: 'string', value: endpoint }),
    entry('reg_id', { type: 'string', value: registrationId }),
    entry('serial', { type: 'string', value: serial }),
  ];
  if (symmetricKey !== undefined) entries.push(entry(SYMMETRIC_KEY, { type: 'blob', value: symmetricKey }));
  if (secondaryKey !== undefined) entries.push(entry(SECONDARY_KEY, { type: 'blob', value: secondaryKey }));
  if (serverRoots !== undefined) entries.push(entry(SERVER_ROOTS, { type: 'blob', value: Buffer.from(`${serverRoots}\0`, 'latin1') }));
  const partition = generateNvs(entries, size);
  return keys === undefined ? partition : encryptNvs(partition, keys);
}

/** The data of a partition; a missing key, one of another type and every damage is an {@link ImageFault}. */
export function decodeFactory(bytes: Uint8Array, place: Place, keys?: NvsKeys): FactoryData {
  const values = new Map<string, NvsValue>();
  for (const { namespace, key, value } of readNvs(bytes, place, keys)) if (namespace === FACTORY_NAMESPACE) values.set(key, value);
  const text = (key: string): string => {
    const found = values.get(key);
    if (found?.type === 'string') return found.value;
    throw fieldFault(key, found, 'string', place);
  };
  const blob = (key: string): Uint8Array | undefined => {
    const found = values.get(key);
    if (found === undefined || found.type === 'blob') return found?.value;
    throw fieldFault(key, found, 'blob', place);
  };
  const [key, second, roots] = [blob(SYMMETRIC_KEY), blob(SECONDARY_KEY), blob(SERVER_ROOTS)];
  return {
    idScope: text('id_scope'),
    endpoint: text('endpoint'),
    registrationId: text('reg_id'),
    serial: text('serial'),
    ...(key === undefined ? {} : { symmetricKey: key }),
    ...(second === undefined ? {} : { secondaryKey: second }),
    ...(roots === undefined ? {} : { serverRoots: withoutNul(roots) }),
  };
}

function withoutNul(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1', 0, bytes.at(-1) === 0 ? bytes.length - 1 : bytes.length);
}

function fieldFault(key: string, found: NvsValue | undefined, type: string, place: Place): ImageFault {
  const summary = found === undefined ? `there is no ${FACTORY_NAMESPACE}/${key}` : `${FACTORY_NAMESPACE}/${key} has another type`;
  return new ImageFault('FACTORY_FIELD', summary, {
    where: locate(place),
    ...(found === undefined ? {} : { seen: found.type }),
    expected: `namespace ${FACTORY_NAMESPACE}, key ${key}, a ${type}`,
    remedy: 'burn the image again',
  });
}
