import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import { certificateInfo, readCertificate } from '../../certificates.js';

/** A JSON object of which only the members at hand are known. */
export type Json = Record<string, unknown>;

/** Members that the service writes itself: they may come back from a client, and say nothing. */
const READ_ONLY = ['registrationState', 'createdDateTimeUtc', 'lastUpdatedDateTimeUtc', 'etag'];

/** The certificate pairs of an X.509 attestation. */
const PAIRS = ['clientCertificates', 'signingCertificates'];

/** An enrolment as reading shows it: no symmetric key, certificates by their info. */
export function shownEnrolment(enrolment: object, state?: RegistrationState): Json {
  const { attestation, ...rest } = enrolment as Json;
  return {
    ...rest,
    attestation: shownMechanism(attestation, false),
    provisioningStatus: rest.provisioningStatus ?? 'enabled',
    ...(state === undefined ? {} : { registrationState: shownState(state) }),
  };
}

/** An attestation mechanism. @param secrets whether keys and certificates are shown themselves */
export function shownMechanism(attestation: unknown, secrets: boolean): unknown {
  if (!isJsonObject(attestation)) return attestation;
  if (attestation.type === 'symmetricKey' && !secrets) return { type: 'symmetricKey' };
  if (!isJsonObject(attestation.x509)) return attestation;
  const pairs = PAIRS.flatMap((name) => {
    const pair = (attestation.x509 as Json)[name];
    if (!isJsonObject(pair)) return [];
    const shown = Object.entries(pair).map(([slot, value]) => [slot, shownCertificate(certificateText(value), secrets)]);
    return [[name, Object.fromEntries(shown)]];
  });
  return { ...attestation, x509: { ...attestation.x509, ...Object.fromEntries(pairs) } };
}

/** A registration as the service API shows it: without what the device alone is told. Source: swagger, DeviceRegistrationState. */
export function shownState({ x509: _, symmetricKey: __, tpm: ___, ...state }: RegistrationState): Json {
  return { ...state };
}

/**
 * An enrolment that a client wrote, without what it may not write; a certificate that came as info alone is the enrolled one again.
 * @param current the enrolment that is there
 */
export function writtenEnrolment(body: Json, current: object | undefined): Json {
  // A member of null is one that a client's serialiser did not leave out.
  const kept = Object.entries(body).filter(([name, value]) => value !== null && !READ_ONLY.includes(name));
  const written: Json = Object.fromEntries(kept);
  if (isJsonObject(written.initialTwin)) written.initialTwin = writtenTwin(written.initialTwin);
  const { attestation } = written;
  if (!isJsonObject(attestation)) return written;
  const mechanism = withoutNulls(attestation, 2);
  if (isJsonObject(mechanism.x509)) {
    const enrolled = ((current as Json | undefined)?.attestation as Json | undefined)?.x509 as Json | undefined;
    mechanism.x509 = writtenX509(mechanism.x509, enrolled);
  }
  return { ...written, attestation: mechanism };
}

/** @param depth how many levels below are looked at as well */
function withoutNulls(object: Json, depth = 0): Json {
  const kept = Object.entries(object).filter(([, value]) => value !== null);
  return Object.fromEntries(kept.map(([name, value]) => [name, depth > 0 && isJsonObject(value) ? withoutNulls(value, depth - 1) : value]));
}

// Tags and desired properties are the client's own, with whatever nulls they hold.
function writtenTwin(twin: Json): Json {
  const { properties, ...rest } = withoutNulls(twin);
  if (!isJsonObject(properties)) return properties === undefined ? rest : { ...rest, properties };
  return { ...rest, properties: withoutNulls(properties) };
}

function writtenX509(x509: Json, enrolled: Json | undefined): Json {
  return Object.fromEntries(
    Object.entries(x509).map(([name, pair]) => {
      if (!PAIRS.includes(name) || !isJsonObject(pair)) return [name, pair];
      const before = (enrolled?.[name] ?? {}) as Json;
      return [name, Object.fromEntries(Object.entries(pair).map(([slot, value]) => [slot, writtenCertificate(value, before[slot])]))];
    }),
  );
}

function writtenCertificate(value: unknown, enrolled: unknown): unknown {
  if (!isJsonObject(value)) return value;
  const { info, certificate, ...rest } = value;
  if (typeof certificate === 'string') return { ...rest, certificate };
  const text = certificateText(enrolled);
  const same =
    isJsonObject(info) && text !== '' && certificateInfo(readCertificate(text, 'enrolment')).sha256Thumbprint === info.sha256Thumbprint;
  return same ? { ...rest, certificate: text } : rest;
}

function certificateText(value: unknown): string {
  return isJsonObject(value) && typeof value.certificate === 'string' ? value.certificate : '';
}

function shownCertificate(text: string, itself: boolean): Json {
  const info = certificateInfo(readCertificate(text, 'enrolment'));
  return itself ? { certificate: text, info } : { info };
}
