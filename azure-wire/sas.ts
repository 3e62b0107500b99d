import { createHmac } from 'node:crypto';
import { WireFault } from './errors.js';
import { sameBytes } from './keys.js';

const PREFIX = 'SharedAccessSignature ';

/** `skn` of every token a device shows to DPS. Source: iot-dps/how-to-control-access. */
export const DPS_DEVICE_KEY_NAME = 'registration';

/** A shared access signature taken apart. */
export interface SasToken {
  /** The resource uri exactly as received (whatever its encoding): the signature covers this text. */
  readonly signedResource: string;
  /** The resource uri decoded, for comparing. */
  readonly resource: string;
  /** The signature, bytes. */
  readonly signature: Buffer;
  /** End of validity, seconds since 1970, and the text that was signed. */
  readonly expiry: number;
  readonly signedExpiry: string;
  /** Name of the policy that signed, or absent. */
  readonly keyName: string | undefined;
}

/** What to sign: see {@link buildSas}. */
export interface SasRequest {
  /** The resource uri, not encoded: `{idScope}/registrations/{registrationId}`, `{hub}/devices/{deviceId}`. */
  resource: string;
  key: Uint8Array;
  /** Seconds since 1970. */
  expiry: number;
  keyName?: string;
}

/**
 * A shared access signature in the form the Node and Python SDKs send: the resource encoded with upper-case escapes.
 * Source: iot-dps/how-to-control-access, iot-hub-dev-guide-sas.
 */
export function buildSas({ key, ...unsigned }: SasRequest): string {
  return assembleSas(unsigned, createHmac('sha256', key).update(textToSign(unsigned), 'utf8').digest());
}

/** What {@link buildSas} takes, but the key: for a key that only a TPM can use. */
export type UnsignedSas = Omit<SasRequest, 'key'>;

/** The text whose HMAC-SHA256 with the key is a token's signature. */
export function textToSign({ resource, expiry }: UnsignedSas): string {
  return `${encodeURIComponent(resource)}\n${Math.floor(expiry)}`;
}

/** The token for a signature of {@link textToSign} that was made elsewhere. */
export function assembleSas({ resource, expiry, keyName }: UnsignedSas, signature: Uint8Array): string {
  const text = encodeURIComponent(Buffer.from(signature).toString('base64'));
  const name = keyName === undefined ? '' : `&skn=${encodeURIComponent(keyName)}`;
  return `${PREFIX}sr=${encodeURIComponent(resource)}&sig=${text}&se=${Math.floor(expiry)}${name}`;
}

/**
 * Takes a token apart; its parameters may come in any order.
 * @throws WireFault BAD_SAS; the token is never in the message
 */
export function parseSas(token: string): SasToken {
  if (!token.startsWith(PREFIX)) throw badSas('the token does not start with "SharedAccessSignature "');
  const fields = new Map<string, string>();
  for (const pair of token.slice(PREFIX.length).split('&')) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw badSas('a part of the token is not name=value');
    const name = pair.slice(0, equals);
    if (fields.has(name)) throw badSas(`the token holds ${JSON.stringify(name)} twice`);
    fields.set(name, pair.slice(equals + 1));
  }
  const [signedResource, encodedSignature, signedExpiry] = ['sr', 'sig', 'se'].map((name) => {
    const value = fields.get(name);
    if (value === undefined || value === '') throw badSas(`the token has no ${name}`);
    return value;
  }) as [string, string, string];
  if (!/^\d{1,12}$/.test(signedExpiry)) throw badSas('se is not a number of seconds');
  const keyName = fields.get('skn');
  return {
    signedResource,
    resource: decode(signedResource),
    signature: Buffer.from(decode(encodedSignature), 'base64'),
    expiry: Number(signedExpiry),
    signedExpiry,
    keyName: keyName === undefined ? undefined : decode(keyName),
  };
}

/** Whether the token was signed with this key. Encodings differ between clients, so the text is taken exactly as received. */
export function verifySas(token: SasToken, key: Uint8Array): boolean {
  return sameBytes(sign(key, token.signedResource, token.signedExpiry), token.signature);
}

/**
 * Whether a token for `granted` is good for `wanted`: the same resource or a prefix of it by path segment, without regard to case.
 * Source: iot-dps/how-to-control-access ("/a/b" covers "/a/b/c", not "/a/bc").
 */
export function resourceCovers(granted: string, wanted: string): boolean {
  const have = segments(granted);
  const want = segments(wanted);
  return have.length > 0 && have.length <= want.length && have.every((segment, index) => segment === want[index]);
}

/** The resource a device signs for DPS. */
export function dpsResource(idScope: string, registrationId: string): string {
  return `${idScope}/registrations/${registrationId}`;
}

/** The resource a device signs for its hub. */
export function hubResource(hub: string, deviceId: string): string {
  return `${hub}/devices/${encodeURIComponent(deviceId)}`;
}

function sign(key: Uint8Array, signedResource: string, signedExpiry: string): Buffer {
  return createHmac('sha256', key).update(`${signedResource}\n${signedExpiry}`, 'utf8').digest();
}

function segments(resource: string): string[] {
  return resource
    .toLowerCase()
    .split('/')
    .filter((segment) => segment !== '');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badSas('a percent escape in the token is broken');
  }
}

function badSas(what: string): WireFault {
  return new WireFault('BAD_SAS', what, { expected: 'SharedAccessSignature sr=..&sig=..&se=..[&skn=..]' });
}
