import { remainingLength } from './mqtt-packets.js';

/**
 * The MQTT 3.1.1 packets that devices say to DPS and hub again and again, read by a server; for all others there is `mqtt-packet`, whose shapes
 * these are, and which is the oracle of their tests. Source: MQTT 3.1.1 (OASIS), sections 2 and 3.
 */
export type DevicePacket =
  | {
      readonly cmd: 'connect';
      readonly protocolId: 'MQTT';
      readonly protocolVersion: 4;
      readonly clean: boolean;
      /** Seconds. */
      readonly keepalive: number;
      readonly clientId: string;
      readonly username?: string;
      readonly password?: Buffer;
    }
  | {
      readonly cmd: 'publish';
      readonly qos: 0 | 1;
      readonly dup: boolean;
      readonly retain: boolean;
      readonly topic: string;
      readonly payload: Buffer;
      readonly messageId?: number;
    }
  | { readonly cmd: 'subscribe'; readonly messageId: number; readonly subscriptions: { topic: string; qos: 0 | 1 | 2 }[] }
  | { readonly cmd: 'puback'; readonly messageId: number }
  | { readonly cmd: 'pingreq' }
  | { readonly cmd: 'disconnect' };

/** "MQTT" with its length, level 4. */
const PROTOCOL = Buffer.from('\x00\x04MQTT\x04', 'latin1');

/** Flags of a CONNECT. Source: 3.1.2.3. */
const USER_NAME = 0x80;
const PASSWORD = 0x40;
const CLEAN_SESSION = 0x02;

/**
 * The packet that begins at an offset, and where it ends. Payloads share the memory of `bytes`.
 * @returns `undefined` for a packet that is incomplete, longer than `longest`, malformed, of another kind or version, or with a will
 */
export function readDevicePacket(bytes: Buffer, at: number, longest: number): { packet: DevicePacket; end: number } | undefined {
  const length = lengthAt(bytes, at + 1);
  if (length === undefined || length.value > longest) return undefined;
  const end = length.next + length.value;
  if (end > bytes.length) return undefined;
  const packet = read(bytes, at, length.next, end);
  return packet === undefined ? undefined : { packet, end };
}

function lengthAt(bytes: Buffer, at: number): ReturnType<typeof remainingLength> {
  try {
    return remainingLength(bytes, at);
  } catch {
    return undefined;
  }
}

function read(bytes: Buffer, start: number, body: number, end: number): DevicePacket | undefined {
  const header = bytes[start] ?? 0;
  if (header >> 4 === 3) return readPublish(bytes, header, body, end);
  switch (header) {
    case 0x10:
      return readConnect(bytes, body, end);
    case 0x40:
      return end - body === 2 ? { cmd: 'puback', messageId: bytes.readUInt16BE(body) } : undefined;
    case 0x82:
      return readSubscribe(bytes, body, end);
    case 0xc0:
      return end === body ? { cmd: 'pingreq' } : undefined;
    case 0xe0:
      return end === body ? { cmd: 'disconnect' } : undefined;
    default:
      return undefined;
  }
}

function readConnect(bytes: Buffer, body: number, end: number): DevicePacket | undefined {
  const fields = body + PROTOCOL.length;
  if (end < fields + 3 || PROTOCOL.compare(bytes, body, fields) !== 0) return undefined;
  const flags = bytes[fields] ?? 0;
  if ((flags & ~(USER_NAME | PASSWORD | CLEAN_SESSION)) !== 0) return undefined;
  const idEnd = fieldEnd(bytes, fields + 3, end);
  const nameEnd = flags & USER_NAME ? fieldEnd(bytes, idEnd, end) : idEnd;
  const passwordEnd = flags & PASSWORD ? fieldEnd(bytes, nameEnd, end) : nameEnd;
  if (passwordEnd !== end) return undefined;
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: (flags & CLEAN_SESSION) !== 0,
    keepalive: bytes.readUInt16BE(fields + 1),
    clientId: bytes.toString('utf8', fields + 5, idEnd),
    ...(flags & USER_NAME ? { username: bytes.toString('utf8', idEnd + 2, nameEnd) } : {}),
    ...(flags & PASSWORD ? { password: bytes.subarray(nameEnd + 2, passwordEnd) } : {}),
  };
}

function readSubscribe(bytes: Buffer, body: number, end: number): DevicePacket | undefined {
  const subscriptions: { topic: string; qos: 0 | 1 | 2 }[] = [];
  for (let at = body + 2; at < end; ) {
    const topicEnd = fieldEnd(bytes, at, end);
    const qos = topicEnd < end ? bytes[topicEnd] : undefined;
    if (qos !== 0 && qos !== 1 && qos !== 2) return undefined;
    subscriptions.push({ topic: bytes.toString('utf8', at + 2, topicEnd), qos });
    at = topicEnd + 1;
  }
  return subscriptions.length === 0 ? undefined : { cmd: 'subscribe', messageId: bytes.readUInt16BE(body), subscriptions };
}

function readPublish(bytes: Buffer, header: number, body: number, end: number): DevicePacket | undefined {
  const qos = (header >> 1) & 3;
  if (qos !== 0 && qos !== 1) return undefined;
  const topicEnd = fieldEnd(bytes, body, end);
  const payload = topicEnd + 2 * qos;
  if (payload > end) return undefined;
  return {
    cmd: 'publish',
    qos,
    dup: (header & 8) !== 0,
    retain: (header & 1) !== 0,
    topic: bytes.toString('utf8', body + 2, topicEnd),
    payload: bytes.subarray(payload, end),
    ...(qos === 1 ? { messageId: bytes.readUInt16BE(topicEnd) } : {}),
  };
}

/** Where a field with its length in front ends; infinite when that is behind the packet. Source: 1.5.3. */
function fieldEnd(bytes: Buffer, at: number, end: number): number {
  if (at + 2 > end) return Number.POSITIVE_INFINITY;
  const fieldEnds = at + 2 + bytes.readUInt16BE(at);
  return fieldEnds > end ? Number.POSITIVE_INFINITY : fieldEnds;
}
