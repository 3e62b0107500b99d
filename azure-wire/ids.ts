import { WireFault } from './errors.js';

/** The ID scope of every local cloud. It is fixed, so that images can be burnt before any cloud runs. */
export const LOCAL_ID_SCOPE = '0ne00000A1B';

/** The device endpoint of DPS in the public Azure cloud; the local cloud answers to the same name. */
export const GLOBAL_DPS_HOST = 'global.azure-devices-provisioning.net';

const AZURE_DPS = /\.azure-devices-provisioning\.(?:net|cn|us)$/i;

/** Whether a host name is of Azure's own DPS, in the public cloud, China's or the US government's. Source: azure/china, azure-government docs. */
export function isAzureDps(host: string): boolean {
  return AZURE_DPS.test(host);
}

/** Longest registration id, in characters. Source: iot-dps/concepts-service. */
export const REGISTRATION_ID_MAX = 128;

/** Longest registration id that an X.509 common name can carry (RFC 5280, ub-common-name). */
export const COMMON_NAME_MAX = 64;

const REGISTRATION_ID = /^[A-Za-z0-9](?:[A-Za-z0-9\-._:]*[A-Za-z0-9-])?$/;
const DEVICE_ID = /^[A-Za-z0-9\-.+%_#*?!(),:=@$']{1,128}$/;
const ID_SCOPE = /^0ne[0-9A-Fa-f]{8}$/;

/** Why a text is no registration id, or `undefined` when it is one. Source: iot-dps/concepts-service. */
export function registrationIdProblem(id: string): string | undefined {
  if (id.length === 0) return 'is empty';
  if (id.length > REGISTRATION_ID_MAX) return `has ${id.length} characters, at most ${REGISTRATION_ID_MAX} are allowed`;
  const foreign = [...id].find((character) => !/[A-Za-z0-9\-._:]/.test(character));
  if (foreign !== undefined) return `holds ${JSON.stringify(foreign)}; allowed are letters, digits and - . _ :`;
  if (!REGISTRATION_ID.test(id)) return 'must start with a letter or digit and end with a letter, digit or dash';
  return undefined;
}

/**
 * A registration id, checked.
 * @throws WireFault BAD_REGISTRATION_ID
 */
export function parseRegistrationId(id: string): string {
  const problem = registrationIdProblem(id);
  if (problem !== undefined) {
    throw new WireFault('BAD_REGISTRATION_ID', `the registration id ${problem}`, {
      seen: id,
      expected: `1 to ${REGISTRATION_ID_MAX} letters, digits and - . _ :, ending in a letter, digit or dash`,
    });
  }
  return id;
}

/** DPS compares registration ids without regard to case; this is the form to compare and to index by. */
export function canonicalRegistrationId(id: string): string {
  return id.toLowerCase();
}

/** Whether a text is a device id of IoT Hub (1 to 128 characters, case-sensitive). Source: iot-hub-devguide-identity-registry. */
export function isDeviceId(id: string): boolean {
  return DEVICE_ID.test(id);
}

/** Whether a text has the form of an ID scope: `0ne` and eight hexadecimal digits. */
export function isIdScope(scope: string): boolean {
  return ID_SCOPE.test(scope);
}
