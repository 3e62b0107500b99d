import {
  DISCONNECT,
  encodeConnack,
  encodeConnect,
  encodePuback,
  encodePublish,
  encodeSuback,
  encodeSubscribe,
  encodeUnsuback,
  type Heard,
  PacketReader,
  PINGREQ,
  PINGRESP,
} from '@zerotouch/azure-wire/mqtt-packets';
import fc from 'fast-check';
import { generate, type Packet, parser } from 'mqtt-packet';
import t from 'tap';

/** What the library makes of our bytes. */
function parsed(bytes: Buffer): Packet {
  const packets: Packet[] = [];
  const reader = parser({ protocolVersion: 4 });
  reader.on('packet', (packet) => packets.push(packet));
  reader.on('error', (error: Error) => {
    throw error;
  });
  reader.parse(bytes);
  const [packet, ...more] = packets;
  if (packet === undefined || more.length > 0) throw new Error(`${packets.length} packets`);
  return packet;
}

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((value) => !value.includes('\0'));
const topic = text.filter((value) => !/[+#]/.test(value));
const messageId = fc.integer({ min: 1, max: 0xffff });
const payload = fc.uint8Array({ maxLength: 400 });

t.test('the library reads a CONNECT as it was meant', async (t) => {
  fc.assert(
    fc.property(
      text,
      text,
      fc.option(text, { nil: undefined }),
      fc.integer({ min: 0, max: 0xffff }),
      (clientId, username, password, keepAlive) => {
        const packet = parsed(encodeConnect({ clientId, username, password, keepAlive }));
        if (packet.cmd !== 'connect') return false;
        return (
          packet.protocolId === 'MQTT' &&
          packet.protocolVersion === 4 &&
          packet.clean === true &&
          packet.clientId === clientId &&
          packet.username === username &&
          packet.keepalive === keepAlive &&
          packet.password?.toString() === password &&
          packet.will === undefined
        );
      },
    ),
  );
  t.throws(() => encodeConnect({ clientId: 'a'.repeat(65_536), username: '', keepAlive: 0 }), { name: 'RangeError' });
});

t.test('the library reads what a device publishes and subscribes to', async (t) => {
  fc.assert(
    fc.property(topic, payload, fc.option(messageId, { nil: undefined }), (name, body, id) => {
      const packet = parsed(encodePublish(name, body, id));
      if (packet.cmd !== 'publish') return false;
      const same = packet.topic === name && Buffer.from(body).equals(Buffer.from(packet.payload));
      return same && packet.qos === (id === undefined ? 0 : 1) && (packet.messageId ?? undefined) === id && !packet.retain && !packet.dup;
    }),
  );
  fc.assert(
    fc.property(fc.array(topic, { minLength: 1, maxLength: 4 }), messageId, (filters, id) => {
      const packet = parsed(encodeSubscribe(id, filters));
      if (packet.cmd !== 'subscribe' || packet.messageId !== id) return false;
      return packet.subscriptions.every(({ topic: filter, qos }, index) => filter === filters[index] && qos === 1);
    }),
  );
  t.match(parsed(encodePuback(513)), { cmd: 'puback', messageId: 513 });
  t.match(parsed(PINGREQ), { cmd: 'pingreq' });
  t.match(parsed(DISCONNECT), { cmd: 'disconnect' });
  t.equal(encodePublish('t', Buffer.alloc(200_000)).length, 200_000 + 3 + 4, 'a remaining length of three bytes');
});

t.test('the library reads what a server answers', async (t) => {
  for (const returnCode of [0, 1, 5]) t.match(parsed(encodeConnack(returnCode)), { cmd: 'connack', returnCode, sessionPresent: false });
  fc.assert(
    fc.property(messageId, fc.array(fc.constantFrom(0, 1, 128), { minLength: 1, maxLength: 200 }), (id, granted) => {
      const packet = parsed(encodeSuback(id, granted));
      return packet.cmd === 'suback' && packet.messageId === id && JSON.stringify(packet.granted) === JSON.stringify(granted);
    }),
  );
  t.match(parsed(encodeUnsuback(0xfffe)), { cmd: 'unsuback', messageId: 0xfffe });
  t.match(parsed(PINGRESP), { cmd: 'pingresp' });
});

/** What a server may send, and what our reader should make of it. */
const sent = fc.oneof(
  fc.integer({ min: 0, max: 5 }).map((returnCode): [Packet, Heard] => [
    { cmd: 'connack', returnCode, sessionPresent: false },
    { kind: 'connack', returnCode },
  ]),
  fc.tuple(messageId, fc.array(fc.constantFrom(0, 1, 128), { minLength: 1, maxLength: 4 })).map(([id, granted]): [Packet, Heard] => [
    { cmd: 'suback', messageId: id, granted },
    { kind: 'suback', messageId: id, granted },
  ]),
  messageId.map((id): [Packet, Heard] => [
    { cmd: 'puback', messageId: id },
    { kind: 'puback', messageId: id },
  ]),
  fc.constant<[Packet, Heard]>([{ cmd: 'pingresp' }, { kind: 'pingresp' }]),
  fc.tuple(topic, payload, fc.option(messageId, { nil: undefined })).map(([name, body, id]): [Packet, Heard] => {
    const bytes = Buffer.from(body);
    const qos = id === undefined ? 0 : 1;
    return [
      { cmd: 'publish', topic: name, payload: bytes, qos, messageId: id ?? 0, dup: false, retain: false },
      { kind: 'publish', topic: name, payload: bytes, qos, messageId: id ?? 0 },
    ];
  }),
);

t.test('what the library writes for a server is read, in whatever pieces it comes', async (t) => {
  fc.assert(
    fc.property(
      fc.array(sent, { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 30 }),
      (all, cuts) => {
        const stream = Buffer.concat(all.map(([packet]) => generate(packet)));
        const reader = new PacketReader();
        const heard: Heard[] = [];
        let at = 0;
        for (const size of [...cuts, stream.length]) {
          heard.push(...reader.read(stream.subarray(at, at + size)));
          at += size;
        }
        t.same(
          heard,
          all.map(([, expected]) => expected),
        );
      },
    ),
    { numRuns: 60 },
  );
});

t.test('what no server may send is refused, and no bytes whatever are read without end', async (t) => {
  for (const bytes of [
    [0x10, 0],
    [0x20, 3, 0, 0, 0],
    [0x36, 2, 0, 0],
    [0x30, 2, 0, 9],
    [0x30, 0xff, 0xff, 0xff, 0xff, 1],
    [0xd0, 1, 0],
  ])
    t.throws(() => new PacketReader().read(Buffer.from(bytes)), { name: 'RangeError' }, Buffer.from(bytes).toString('hex'));
  t.throws(() =>
    new PacketReader(100).read(generate({ cmd: 'publish', topic: 't', payload: Buffer.alloc(101), qos: 0, dup: false, retain: false })),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        new PacketReader().read(Buffer.from(bytes));
      } catch (error) {
        return error instanceof RangeError;
      }
      return true;
    }),
  );
});
