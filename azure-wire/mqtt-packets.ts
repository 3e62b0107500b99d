/**
 * The few MQTT 3.1.1 packets that a device exchanges with DPS and its hub, and no others: no general MQTT. For paths so hot that the
 * `mqtt-packet` library, which is the oracle of their tests, would be felt. Source: MQTT 3.1.1 (OASIS), sections 2 and 3.
 */

/** How a device signs in; clean session, no will. Source: 3.1. */
export interface ConnectFields {
  readonly clientId: string;
  readonly username: string;
  readonly password?: string | undefined;
  /** Seconds, 0 to 65535. */
  readonly keepAlive: number;
}

/** What a device hears. `messageId` is 0 where there is none. */
export type Heard =
  | { readonly kind: 'connack'; readonly returnCode: number }
  | { readonly kind: 'suback'; readonly messageId: number; readonly granted: readonly number[] }
  | { readonly kind: 'puback'; readonly messageId: number }
  | { readonly kind: 'publish'; readonly topic: string; readonly payload: Buffer; readonly qos: number; readonly messageId: number }
  | { readonly kind: 'pingresp' };

/** PINGREQ, PINGRESP and DISCONNECT, whole. Source: 3.12 to 3.14. */
export const PINGREQ = Buffer.of(0xc0, 0x00);
export const PINGRESP = Buffer.of(0xd0, 0x00);
export const DISCONNECT = Buffer.of(0xe0, 0x00);

/** The longest packet that a {@link PacketReader} takes unless told otherwise, bytes: the longest message of a hub, with room for its topic. */
const LONGEST = 256 * 1024 + 64 * 1024;
/** The longest text of MQTT, bytes. Source: 1.5.3. */
const TEXT_MAX = 0xffff;

/** @throws RangeError for a text longer than MQTT can carry */
export function encodeConnect({ clientId, username, password, keepAlive }: ConnectFields): Buffer {
  const texts = [clientId, username, ...(password === undefined ? [] : [password])];
  const sizes = texts.map(textBytes);
  const packet = packetOf(0x10, 10 + sizes.reduce((sum, size) => sum + 2 + size, 0));
  let at = packet.body;
  // "MQTT", level 4, flags: user name, clean session, and the password where there is one.
  at += packet.bytes.write('\x00\x04MQTT\x04', at, 'latin1');
  packet.bytes[at++] = password === undefined ? 0x82 : 0xc2;
  at = packet.bytes.writeUInt16BE(keepAlive, at);
  for (const [index, text] of texts.entries()) at = putText(packet.bytes, at, text, sizes[index] ?? 0);
  return packet.bytes;
}

/** @param qos asked for, 0 or 1, the same for each filter */
export function encodeSubscribe(messageId: number, filters: readonly string[], qos: 0 | 1 = 1): Buffer {
  const sizes = filters.map(textBytes);
  const packet = packetOf(0x82, 2 + sizes.reduce((sum, size) => sum + 3 + size, 0));
  let at = packet.bytes.writeUInt16BE(messageId, packet.body);
  for (const [index, filter] of filters.entries()) {
    at = putText(packet.bytes, at, filter, sizes[index] ?? 0);
    packet.bytes[at++] = qos;
  }
  return packet.bytes;
}

/** @param messageId absent: QoS 0; else QoS 1 */
export function encodePublish(topic: string, payload: string | Uint8Array, messageId?: number): Buffer {
  const topicSize = textBytes(topic);
  const size = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
  const packet = packetOf(messageId === undefined ? 0x30 : 0x32, 2 + topicSize + (messageId === undefined ? 0 : 2) + size);
  let at = putText(packet.bytes, packet.body, topic, topicSize);
  if (messageId !== undefined) at = packet.bytes.writeUInt16BE(messageId, at);
  if (typeof payload === 'string') packet.bytes.write(payload, at);
  else packet.bytes.set(payload, at);
  return packet.bytes;
}

/** The acknowledgement of a publish with QoS 1. */
export function encodePuback(messageId: number): Buffer {
  return Buffer.of(0x40, 0x02, messageId >> 8, messageId & 0xff);
}

/** The answer to a CONNECT. @param sessionPresent whether something of an earlier session was kept. Source: 3.2. */
export function encodeConnack(returnCode: number, sessionPresent = false): Buffer {
  return Buffer.of(0x20, 0x02, sessionPresent ? 1 : 0, returnCode);
}

/** @param granted for each filter its QoS, or 128 where it is refused. Source: 3.9 */
export function encodeSuback(messageId: number, granted: readonly number[]): Buffer {
  const packet = packetOf(0x90, 2 + granted.length);
  packet.bytes.writeUInt16BE(messageId, packet.body);
  packet.bytes.set(granted, packet.body + 2);
  return packet.bytes;
}

/** The answer to an UNSUBSCRIBE. Source: 3.11 */
export function encodeUnsuback(messageId: number): Buffer {
  return Buffer.of(0xb0, 0x02, messageId >> 8, messageId & 0xff);
}

/** Cuts what a server sends into packets; holds one unfinished packet of bounded length. */
export class PacketReader {
  readonly #longest: number;
  #held: Buffer | undefined;

  constructor(longest: number = LONGEST) {
    this.#longest = longest;
  }

  /**
   * The packets that end in this piece.
   * @throws RangeError for what no server may send a device: the stream cannot be read on
   */
  read(chunk: Buffer): Heard[] {
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = undefined;
    const heard: Heard[] = [];
    let at = 0;
    while (at < bytes.length) {
      const length = remainingLength(bytes, at + 1);
      if (length === undefined) break;
      if (length.value > this.#longest) throw new RangeError(`a packet of ${length.value} bytes is longer than is taken`);
      const end = length.next + length.value;
      if (end > bytes.length) break;
      heard.push(decode(bytes, at, length.next, end));
      at = end;
    }
    // Copied: what is held must not keep alive the whole piece that it came in.
    if (at < bytes.length) this.#held = Buffer.from(bytes.subarray(at));
    return heard;
  }
}

function decode(bytes: Buffer, start: number, body: number, end: number): Heard {
  const header = bytes[start] ?? 0;
  switch (header >> 4) {
    case 2:
      expect(end - body === 2 && header === 0x20, 'CONNACK');
      return { kind: 'connack', returnCode: bytes[body + 1] ?? 0 };
    case 3:
      return decodePublish(bytes, header, body, end);
    case 4:
      expect(end - body === 2 && header === 0x40, 'PUBACK');
      return { kind: 'puback', messageId: bytes.readUInt16BE(body) };
    case 9:
      expect(end - body > 2 && header === 0x90, 'SUBACK');
      return { kind: 'suback', messageId: bytes.readUInt16BE(body), granted: [...bytes.subarray(body + 2, end)] };
    case 13:
      expect(end === body && header === 0xd0, 'PINGRESP');
      return { kind: 'pingresp' };
    default:
      throw new RangeError(`a packet of type ${header >> 4}, which no server sends a device of ours`);
  }
}

function decodePublish(bytes: Buffer, header: number, body: number, end: number): Heard {
  const qos = (header >> 1) & 3;
  expect(qos < 2 && end - body >= 2, 'PUBLISH');
  const topicEnd = body + 2 + bytes.readUInt16BE(body);
  const payload = topicEnd + (qos === 0 ? 0 : 2);
  expect(payload <= end, 'PUBLISH');
  const topic = bytes.toString('utf8', body + 2, topicEnd);
  return { kind: 'publish', topic, payload: bytes.subarray(payload, end), qos, messageId: qos === 0 ? 0 : bytes.readUInt16BE(topicEnd) };
}

/** The remaining length that begins at an offset, and where it ends; `undefined` while it is incomplete. Source: 2.2.3. */
export function remainingLength(bytes: Buffer, at: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let count = 0; count < 4; count++) {
    const byte = bytes[at + count];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 128 ** count;
    if (byte < 0x80) return { value, next: at + count + 1 };
  }
  throw new RangeError('a remaining length of more than four bytes');
}

/** A packet with its header written, and where its body begins. */
function packetOf(header: number, length: number): { bytes: Buffer; body: number } {
  const lengthBytes = length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4;
  const bytes = Buffer.allocUnsafe(1 + lengthBytes + length);
  bytes[0] = header;
  let left = length;
  for (let at = 1; at <= lengthBytes; at++) {
    bytes[at] = at === lengthBytes ? left : (left % 128) | 0x80;
    left = Math.floor(left / 128);
  }
  return { bytes, body: 1 + lengthBytes };
}

function putText(bytes: Buffer, at: number, text: string, size: number): number {
  const start = bytes.writeUInt16BE(size, at);
  return start + bytes.write(text, start);
}

function textBytes(text: string): number {
  const size = Buffer.byteLength(text);
  if (size > TEXT_MAX) throw new RangeError(`a text of ${size} bytes is longer than MQTT carries (${TEXT_MAX})`);
  return size;
}

function expect(holds: boolean, packet: string): void {
  if (!holds) throw new RangeError(`a malformed ${packet}`);
}
