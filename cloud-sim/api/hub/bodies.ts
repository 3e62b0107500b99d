import { parseKey } from '@zerotouch/azure-wire/keys';
import { isJsonObject, type JsonObject } from '@zerotouch/azure-wire/twin';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { isFault } from '@zerotouch/foundation/fault';
import { HUB_ID } from '../../hub/identity.js';
import { generatedAuthentication } from '../../hub/registry.js';
import type { DeviceAuthentication } from '../../store/store.js';
import { badArgument } from './errors.js';

/** Parts of a request's body, each with its name for the error. */

/** @throws HubApiError 400 */
export function objectIn(value: unknown, where: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw badArgument(`${where} is no JSON object`);
}

/** A member that may be left out or null. @throws HubApiError 400 */
export function maybeObject(value: unknown, where: string): JsonObject | undefined {
  return value === undefined || value === null ? undefined : objectIn(value, where);
}

/** @throws HubApiError 400 */
export function maybeText(value: unknown, where: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw badArgument(`${where} is no text`);
}

/** A number in a range, or its default. @throws HubApiError 400 */
export function numberIn(value: unknown, where: string, [least, most]: readonly [number, number], otherwise: number): number {
  if (value === undefined || value === null) return otherwise;
  if (typeof value === 'number' && value >= least && value <= most) return value;
  throw badArgument(`${where} is no number from ${least} to ${most}`);
}

/** How many of a list are wanted, as the query says it. @param most more is refused @throws HubApiError 400 */
export function topIn(value: unknown, most = Number.POSITIVE_INFINITY): number | undefined {
  if (value === undefined) return undefined;
  const top = Number(value);
  if (Number.isInteger(top) && top >= 1 && top <= most) return top;
  throw badArgument(`top is no number from 1${Number.isFinite(most) ? ` to ${most}` : ''}`);
}

/** @throws HubApiError 400 */
export function idIn(value: unknown, where: string): string {
  if (typeof value === 'string' && HUB_ID.test(value)) return value;
  throw badArgument(`${where} is no id: 1 to 128 ASCII letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '`);
}

/** @throws HubApiError 400 */
export function statusIn(value: unknown, where: string): 'enabled' | 'disabled' | undefined {
  const text = maybeText(value, where)?.toLowerCase();
  if (text === undefined || text === 'enabled' || text === 'disabled') return text;
  throw badArgument(`${where} is neither enabled nor disabled`);
}

/**
 * How a device proves itself, as Azure's clients write it. Keys that are left out are those that are there, or generated.
 * @throws HubApiError 400
 */
export function authenticationIn(value: unknown, current: DeviceAuthentication | undefined, entropy: Entropy): DeviceAuthentication {
  const written = maybeObject(value, 'authentication');
  if (written === undefined) return current ?? generatedAuthentication(entropy);
  const prints = maybeObject(written.x509Thumbprint, 'authentication.x509Thumbprint') ?? {};
  const primary = printIn(prints.primaryThumbprint, 'primaryThumbprint');
  const secondary = printIn(prints.secondaryThumbprint, 'secondaryThumbprint');
  const type = maybeText(written.type, 'authentication.type') ?? (primary === undefined && secondary === undefined ? 'sas' : 'selfSigned');
  switch (type) {
    case 'sas': {
      const fresh = current?.type === 'sas' ? current : (generatedAuthentication(entropy) as DeviceAuthentication & { type: 'sas' });
      const keys = maybeObject(written.symmetricKey, 'authentication.symmetricKey') ?? {};
      const primaryKey = keyIn(keys.primaryKey, 'primaryKey') ?? fresh.primaryKey;
      return { type, primaryKey, secondaryKey: keyIn(keys.secondaryKey, 'secondaryKey') ?? fresh.secondaryKey };
    }
    case 'selfSigned': {
      const one = primary ?? secondary;
      if (one === undefined) throw badArgument('authentication.x509Thumbprint holds no thumbprint');
      return { type, primaryThumbprint: primary ?? one, secondaryThumbprint: secondary ?? one };
    }
    case 'certificateAuthority':
      return { type };
    default:
      throw badArgument('authentication.type is none of sas, selfSigned, certificateAuthority');
  }
}

function keyIn(value: unknown, where: string): string | undefined {
  const text = maybeText(value, `authentication.symmetricKey.${where}`);
  if (text === undefined) return undefined;
  try {
    parseKey(text);
    return text;
  } catch (error) {
    // The key itself is in no message.
    if (isFault(error)) throw badArgument(`authentication.symmetricKey.${where} is no key: ${error.message}`);
    throw error;
  }
}

function printIn(value: unknown, where: string): string | undefined {
  const text = maybeText(value, `authentication.x509Thumbprint.${where}`)?.replaceAll(':', '').toUpperCase();
  if (text === undefined || /^([0-9A-F]{40}|[0-9A-F]{64})$/.test(text)) return text;
  throw badArgument(`authentication.x509Thumbprint.${where} is no SHA-1 or SHA-256 thumbprint: 40 or 64 hexadecimal digits`);
}
