import { buildDpsUserName, registerTopic } from '@zerotouch/azure-wire/dps-mqtt';
import { buildSas, dpsResource } from '@zerotouch/azure-wire/sas';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';

/** Where it knocks. */
export type Door = 'mqtt' | 'amqp' | 'https';

/** One hostile client: what it does to a dialogue that would otherwise be refused for its key alone, and how it goes. */
export interface Case {
  changes: Change[];
  /** Where the bytes are cut into writes, as fractions. */
  cuts: number[];
  leaving: 'end' | 'destroy' | 'wait';
}

type Change =
  | { kind: 'flip'; at: number; mask: number }
  | { kind: 'cut'; at: number }
  | { kind: 'insert'; at: number; bytes: Uint8Array }
  | { kind: 'repeat'; from: number; to: number; times: number }
  | { kind: 'drop'; from: number; to: number }
  | { kind: 'swap'; a: number; b: number };

const place = fc.double({ min: 0, max: 1, noNaN: true });
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: place, mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('cut' as const), at: place }),
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ kind: fc.constant('repeat' as const), from: place, to: place, times: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('drop' as const), from: place, to: place }),
  fc.record({ kind: fc.constant('swap' as const), a: fc.nat(20), b: fc.nat(20) }),
);
export const hostile: fc.Arbitrary<Case> = fc.record({
  changes: fc.array(change, { minLength: 1, maxLength: 5 }),
  cuts: fc.array(place, { maxLength: 6 }),
  leaving: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('end' as const, 'destroy' as const) },
    { weight: 1, arbitrary: fc.constant('wait' as const) },
  ),
});

function altered(pieces: Buffer[], change: Change): Buffer[] {
  if (change.kind === 'swap') {
    const [a, b] = [change.a % pieces.length, change.b % pieces.length];
    return pieces.map((piece, index) => pieces[index === a ? b : index === b ? a : index] ?? piece);
  }
  const all = Buffer.concat(pieces);
  const at = (fraction: number) => Math.floor(fraction * all.length);
  switch (change.kind) {
    case 'flip': {
      const index = Math.min(at(change.at), all.length - 1);
      if (index >= 0) all[index] = (all[index] ?? 0) ^ change.mask;
      return [all];
    }
    case 'cut':
      return [all.subarray(0, at(change.at))];
    case 'insert':
      return [all.subarray(0, at(change.at)), Buffer.from(change.bytes), all.subarray(at(change.at))];
    case 'repeat': {
      const part = all.subarray(Math.min(at(change.from), at(change.to)), Math.max(at(change.from), at(change.to)));
      return [all, ...Array.from({ length: change.times }, () => part)];
    }
    case 'drop':
      return [all.subarray(0, Math.min(at(change.from), at(change.to))), all.subarray(Math.max(at(change.from), at(change.to)))];
  }
}

/** What it writes, write by write. */
export function sayings({ changes, cuts }: Case, pieces: readonly Buffer[]): Buffer[] {
  return sliced(changes.reduce(altered, [...pieces]), cuts);
}

function sliced(pieces: readonly Buffer[], cuts: readonly number[]): Buffer[] {
  const all = Buffer.concat(pieces);
  const places = [0, ...cuts.map((cut) => Math.floor(cut * all.length)).sort((a, b) => a - b), all.length];
  return places.slice(1).map((end, index) => all.subarray(places[index], end));
}

/** What a client with a wrong key says, packet by packet. */
export function dialogue(door: Door, idScope: string, id: string): Buffer[] {
  const sas = token(idScope, id, Buffer.alloc(32, 9));
  if (door === 'mqtt') {
    const username = buildDpsUserName({ idScope, registrationId: id, apiVersion: '2021-06-01' });
    const packets: Packet[] = [
      {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clientId: id,
        clean: true,
        keepalive: 60,
        username,
        password: Buffer.from(sas),
      },
      { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$dps/registrations/res/#', qos: 1 }] },
      { cmd: 'publish', messageId: 2, topic: registerTopic('1'), payload: `{"registrationId":"${id}"}`, qos: 1, dup: false, retain: false },
      { cmd: 'pingreq' },
      { cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['$dps/registrations/res/#'] },
      { cmd: 'disconnect' },
    ];
    return packets.map((packet) => generate(packet));
  }
  if (door === 'https') {
    const body = `{"registrationId":"${id}"}`;
    const path = `/${idScope}/registrations/${id}`;
    const head = `host: localhost\r\nauthorization: ${sas}\r\ncontent-type: application/json\r\n`;
    return [
      `PUT ${path}/register?api-version=2021-06-01 HTTP/1.1\r\n${head}content-length: ${body.length}\r\n\r\n${body}`,
      `GET ${path}/operations/4.1?api-version=2021-06-01 HTTP/1.1\r\n${head}\r\n`,
      `POST ${path}?api-version=2021-06-01 HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n`,
      `GET /$iothub/websocket HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: mqtt\r\n\r\n`,
      Buffer.from('82850000000010000400ff', 'hex'),
    ].map((text) => Buffer.from(text));
  }
  const name = `${idScope}/registrations/${id}`;
  const open = list(0x10, text('fuzz'));
  const begin = list(0x11, NULL, Buffer.from([0x43]), Buffer.from([0x52, 0xff]), Buffer.from([0x52, 0xff]));
  const attach = (link: string, handle: number, receiver: boolean) =>
    list(
      0x12,
      text(link),
      Buffer.from([0x52, handle]),
      Buffer.from([receiver ? 0x41 : 0x42]),
      NULL,
      NULL,
      list(0x28, text(receiver ? name : 'x')),
      list(0x29, text(receiver ? 'x' : name)),
      NULL,
      NULL,
      ...(receiver ? [] : [Buffer.from([0x43])]),
    );
  const flow = list(0x13, ...[0, 255, 0, 255, 0, 0, 100].map((number) => Buffer.from([0x52, number])));
  const properties = Buffer.concat([text('iotdps-operation-type'), text('iotdps-register')]);
  const message = Buffer.concat([
    Buffer.from([0x00, 0x53, 0x74, 0xc1, properties.length + 1, 2]),
    properties,
    Buffer.from([0x00, 0x53, 0x75, 0xa0, 2]),
    Buffer.from('{}'),
  ]);
  const transfer = (delivery: number) =>
    Buffer.concat([
      list(
        0x14,
        Buffer.from([0x52, 1]),
        Buffer.from([0x52, delivery]),
        Buffer.from([0xa0, 1, delivery]),
        Buffer.from([0x43]),
        Buffer.from([0x42]),
      ),
      message,
    ]);
  return [
    Buffer.from('414d515003010000', 'hex'),
    frame(1, list(0x41, Buffer.concat([Buffer.from([0xa3, 5]), Buffer.from('PLAIN')]), binary(`\0${name}\0${sas}`))),
    Buffer.from('414d515000010000', 'hex'),
    ...[open, begin, attach('in', 0, true), attach('out', 1, false), flow, transfer(0), transfer(1), list(0x18)].map((body) =>
      frame(0, body),
    ),
  ];
}

/** What a client with a wrong key says to a hub, as a device and as a service, packet by packet. */
export function hubDialogue(door: Door, host: string, id: string): Buffer[] {
  const secret = Buffer.alloc(32, 9);
  const sas = buildSas({ resource: `${host}/devices/${id}`, key: secret, expiry: 4_000_000_000 });
  if (door === 'mqtt') {
    const packets: Packet[] = [
      {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clientId: id,
        clean: false,
        keepalive: 60,
        username: `${host}/${id}/?api-version=2021-04-12`,
        password: Buffer.from(sas),
      },
      { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `devices/${id}/messages/devicebound/#`, qos: 1 }] },
      { cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: '$iothub/methods/POST/#', qos: 0 }] },
      {
        cmd: 'publish',
        messageId: 3,
        topic: '$iothub/twin/PATCH/properties/reported/?$rid=1',
        payload: '{"a":1}',
        qos: 1,
        dup: false,
        retain: false,
      },
      { cmd: 'publish', messageId: 4, topic: `devices/${id}/messages/events/a=b`, payload: 'x', qos: 1, dup: false, retain: true },
      { cmd: 'publish', topic: '$iothub/methods/res/200/?$rid=1', payload: '{}', qos: 0, dup: false, retain: false },
      { cmd: 'puback', messageId: 1 },
      { cmd: 'disconnect' },
    ];
    return packets.map((packet) => generate(packet));
  }
  if (door === 'https') {
    const owner = buildSas({ resource: host, key: secret, expiry: 4_000_000_000, keyName: 'iothubowner' });
    const ask = (method: string, path: string, token: string, body = '') =>
      `${method} ${path}${path.includes('?') ? '&' : '?'}api-version=2021-04-12 HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    return [
      ask('POST', `/devices/${id}/messages/events`, sas, 'x'),
      ask('GET', `/devices/${id}/messages/devicebound`, sas),
      ask('PATCH', `/twins/${id}`, owner, '{"tags":{"a":1}}'),
      ask('DELETE', `/devices/${id}`, owner),
      ask('POST', '/devices/query', owner, '{"query":"SELECT * FROM devices WHERE tags.a = 1"}'),
      ask('POST', `/twins/${id}/methods`, owner, '{"methodName":"x"}'),
      ask('GET', '/zerotouch/events?from=earliest', owner),
    ].map((text) => Buffer.from(text));
  }
  const word = (value: string): Buffer => text(value);
  const small = (number: number): Buffer => Buffer.from([0x52, number]);
  const attach = (name: string, handle: number, receiver: boolean, address: string): Buffer =>
    list(
      0x12,
      word(name),
      small(handle),
      Buffer.from([receiver ? 0x41 : 0x42]),
      NULL,
      NULL,
      list(0x28, word(receiver ? address : 'x')),
      list(0x29, word(receiver ? 'x' : address)),
      NULL,
      NULL,
      ...(receiver ? [] : [Buffer.from([0x43])]),
    );
  const token = Buffer.concat([Buffer.from([0x00, 0x53, 0x77, 0xb1]), sized(sas)]);
  const transfer = (handle: number, delivery: number, message: Buffer): Buffer =>
    Buffer.concat([
      list(0x14, small(handle), small(delivery), Buffer.from([0xa0, 1, delivery]), Buffer.from([0x43]), Buffer.from([0x42])),
      message,
    ]);
  const body = Buffer.from([0x00, 0x53, 0x75, 0xa0, 2, 0x7b, 0x7d]);
  return [
    Buffer.from('414d515000010000', 'hex'),
    ...[
      list(0x10, word('fuzz'), word(host)),
      list(0x11, NULL, Buffer.from([0x43]), Buffer.from([0x52, 0xff]), Buffer.from([0x52, 0xff])),
      attach('a', 0, false, '$cbs'),
      attach('b', 1, true, '$cbs'),
      list(0x13, ...[0, 255, 0, 255, 1, 0, 100].map(small)),
      transfer(0, 0, token),
      attach('c', 2, false, `/devices/${id}/messages/events`),
      attach('d', 3, true, `/devices/${id}/messages/devicebound`),
      attach('e', 4, false, `/devices/${id}/twin`),
      attach('f', 5, false, '/messages/devicebound'),
      transfer(2, 1, body),
      transfer(4, 2, body),
      list(0x18),
    ].map((frameBody) => frame(0, frameBody)),
  ];
}

function sized(value: string): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(value.length);
  return Buffer.concat([size, Buffer.from(value)]);
}

const NULL = Buffer.from([0x40]);

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([0xa1, value.length]), Buffer.from(value)]);
}

function binary(value: string): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(value.length);
  return Buffer.concat([Buffer.from([0xb0]), size, Buffer.from(value)]);
}

/** A described list of AMQP. */
function list(code: number, ...fields: Buffer[]): Buffer {
  const all = Buffer.concat(fields);
  const head = Buffer.from([0x00, 0x53, code, 0xd0, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(all.length + 4, 4);
  head.writeUInt32BE(fields.length, 8);
  return Buffer.concat([head, all]);
}

function frame(type: number, body: Buffer): Buffer {
  const head = Buffer.from([0, 0, 0, 0, 2, type, 0, 0]);
  head.writeUInt32BE(8 + body.length);
  return Buffer.concat([head, body]);
}

/** Of a device at DPS. */
export function token(idScope: string, id: string, secret: Buffer): string {
  return buildSas({ resource: dpsResource(idScope, id), key: secret, expiry: 4_000_000_000, keyName: 'registration' });
}

/** What an operator says to the sign-in and to the resource manager, request by request. @param secret of the service principal `client` */
export function managerDialogue(subscription: string, token: string, { client, secret }: { client: string; secret: string }): Buffer[] {
  const ask = (method: string, path: string, body?: object | string, type = 'application/json') => {
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    const head = `${method} ${path}${path.includes('?') ? '&' : '?'}api-version=2022-12-12 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}`;
    return `${head}${body === undefined ? '' : `\r\ncontent-type: ${type}`}\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
  };
  const form = `grant_type=client_credentials&client_id=${client}&client_secret=${secret}&scope=https%3A%2F%2Flocalhost%2F.default`;
  const all = `/subscriptions/${subscription}`;
  // All at once: a server works on what is pipelined at the same time, so nothing here may need what came before.
  const devices = `${all}/resourceGroups/zerotouch/providers/Microsoft.Devices`;
  const hub = { location: 'westeurope', sku: { name: 'S1', capacity: 1 }, tags: { a: 'b' }, properties: { cloudToDevice: {} } };
  const rule = { keyName: 'own', rights: 'ServiceConfig, EnrollmentWrite', primaryKey: Buffer.alloc(32).toString('base64') };
  const link = { connectionString: 'HostName=fuzz-hub.azure-devices.net;SharedAccessKeyName=a;SharedAccessKey=****', location: 'x' };
  return [
    ask('POST', '/adfs/oauth2/v2.0/token', form, 'application/x-www-form-urlencoded'),
    ask('GET', '/adfs/.well-known/openid-configuration'),
    ask('GET', `${all}/resourcegroups?$top=1`),
    ask('PUT', `${all}/resourcegroups/fuzz`, { location: 'westeurope' }),
    ask('PUT', `${devices}/IotHubs/fuzz-hub`, hub),
    ask('PATCH', `${devices}/IotHubs/fuzz-hub`, { sku: { name: 'S2', capacity: 2 } }),
    ask('POST', `${devices}/IotHubs/fuzz-hub/listkeys`),
    ask('PUT', `${devices}/IotHubs/fuzz-hub/certificates/root`, { properties: { certificate: 'LS0t' } }),
    ask('PUT', `${devices}/provisioningServices/fuzz-dps`, { ...hub, properties: { authorizationPolicies: [rule] } }),
    ask('PUT', `${devices}/provisioningServices/fuzz-dps`, { ...hub, properties: { iotHubs: [link] } }),
    ask('GET', `${devices}/provisioningServices/fuzz-dps/operationresults/x`),
    ask('DELETE', `${devices}/provisioningServices/fuzz-dps`).replace('\r\nhost:', '\r\nconnection: close\r\nhost:'),
  ].map((text) => Buffer.from(text));
}
