import { WireFault } from './errors.js';
import { unescaped } from './percent.js';

/** api-versions that devices are known to send. Source: the SDKs' constants. */
export const DPS_API_VERSIONS = ['2019-03-31', '2021-06-01', '2021-10-01'] as const;

/** The only filter a device may subscribe to. Source: iot-dps/iot-dps-mqtt-support. */
export const DPS_RESPONSE_FILTER = '$dps/registrations/res/#';

const REGISTER = '$dps/registrations/PUT/iotdps-register/';
const STATUS = '$dps/registrations/GET/iotdps-get-operationstatus/';
const RESPONSE = '$dps/registrations/res/';

/** Who connects to DPS, as the MQTT user name tells. */
export interface DpsUserName {
  idScope: string;
  registrationId: string;
  apiVersion: string;
  clientVersion: string | undefined;
}

/** `{idScope}/registrations/{registrationId}/api-version=V[&ClientVersion=..]`: no `?`, unlike the hub. */
export function buildDpsUserName({
  idScope,
  registrationId,
  apiVersion,
  clientVersion,
}: Omit<DpsUserName, 'clientVersion'> & { clientVersion?: string }): string {
  const suffix = clientVersion === undefined ? '' : `&ClientVersion=${encodeURIComponent(clientVersion)}`;
  return `${idScope}/registrations/${registrationId}/api-version=${apiVersion}${suffix}`;
}

/**
 * @throws WireFault BAD_USER_NAME
 */
export function parseDpsUserName(userName: string): DpsUserName {
  const match = /^([^/]+)\/registrations\/([^/]+)\/\??(.*)$/.exec(userName);
  if (match === null) throw badUserName(userName, '{idScope}/registrations/{registrationId}/api-version=...');
  const [, idScope = '', registrationId = '', query = ''] = match;
  const fields = parseQuery(query);
  const apiVersion = fields.get('api-version');
  if (apiVersion === undefined || apiVersion === '') throw badUserName(userName, 'an api-version');
  return { idScope, registrationId, apiVersion, clientVersion: fields.get('clientversion') };
}

/** A request a device publishes to DPS. */
export type DpsRequest = { kind: 'register'; rid: string } | { kind: 'status'; rid: string; operationId: string };

/** Topic to publish a registration to. `rid` is the client's own choice, echoed in the reply. */
export function registerTopic(rid: string): string {
  return `${REGISTER}?$rid=${rid}`;
}

/** Topic to poll an operation with. */
export function statusTopic(rid: string, operationId: string): string {
  return `${STATUS}?$rid=${rid}&operationId=${operationId}`;
}

/**
 * What a device asks for by publishing to a topic.
 * @throws WireFault BAD_TOPIC
 */
export function parseDpsRequest(topic: string): DpsRequest {
  const register = topic.startsWith(REGISTER);
  if (!register && !topic.startsWith(STATUS)) throw badTopic(topic, `${REGISTER}?$rid=.. or ${STATUS}?$rid=..&operationId=..`);
  const fields = parseQuery(topic.slice((register ? REGISTER : STATUS).length).replace(/^\?/, ''));
  const rid = fields.get('$rid') ?? '';
  if (register) return { kind: 'register', rid };
  const operationId = fields.get('operationid');
  if (operationId === undefined || operationId === '') throw badTopic(topic, 'an operationId');
  return { kind: 'status', rid, operationId };
}

/** Topic of a reply. `retryAfter` in seconds, on 202 and when throttled. */
export function dpsResponseTopic(status: number, rid: string, retryAfter?: number): string {
  return `${RESPONSE}${status}/?$rid=${rid}${retryAfter === undefined ? '' : `&retry-after=${retryAfter}`}`;
}

/** A reply's topic taken apart; `retryAfter` in seconds. */
export interface DpsResponse {
  status: number;
  rid: string;
  retryAfter: number | undefined;
}

/** The reply a topic announces, or `undefined` when it is none. */
export function parseDpsResponse(topic: string): DpsResponse | undefined {
  const match = /^\$dps\/registrations\/res\/(\d{3})\/\?(.*)$/.exec(topic);
  if (match === null) return undefined;
  const fields = parseQuery(match[2] ?? '');
  const after = Number(fields.get('retry-after') ?? Number.NaN);
  return { status: Number(match[1]), rid: fields.get('$rid') ?? '', retryAfter: Number.isFinite(after) && after >= 0 ? after : undefined };
}

// Names are compared without regard to case: SDKs write ClientVersion and clientVersion.
function parseQuery(query: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    if (equals > 0) fields.set(pair.slice(0, equals).toLowerCase(), unescaped(pair.slice(equals + 1)));
  }
  return fields;
}

function badUserName(seen: string, expected: string): WireFault {
  return new WireFault('BAD_USER_NAME', 'the MQTT user name is not one of DPS', { seen, expected });
}

function badTopic(seen: string, expected: string): WireFault {
  return new WireFault('BAD_TOPIC', 'the topic is not one of DPS', { seen, expected });
}
