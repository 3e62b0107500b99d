import { isDeepStrictEqual } from 'node:util';
import { FrameReader, type Frames } from '@zerotouch/cloud-sim/doors/mqtt/frames';
import fc from 'fast-check';
import { generate, type Packet, parser } from 'mqtt-packet';
import t from 'tap';

/** What a door looks at in a packet. */
const FIELDS = [
  'cmd',
  'protocolId',
  'protocolVersion',
  'clean',
  'keepalive',
  'clientId',
  'username',
  'password',
  'will',
  'messageId',
  'subscriptions',
  'unsubscriptions',
];

function seen(packet: Packet): Record<string, unknown> {
  const fields = packet.cmd === 'publish' ? [...FIELDS, 'topic', 'payload', 'qos', 'dup', 'retain'] : FIELDS;
  return Object.fromEntries(fields.flatMap((name) => (Reflect.get(packet, name) === undefined ? [] : [[name, Reflect.get(packet, name)]])));
}

/** What the library alone makes of the pieces of a stream, up to the first error. */
function byLibrary(pieces: readonly Buffer[]): { packets: Packet[]; broken: boolean } {
  const packets: Packet[] = [];
  let broken = false;
  const reader = parser();
  reader.on('packet', (packet) => packets.push(packet));
  reader.on('error', () => {
    broken = true;
  });
  for (const piece of pieces) {
    try {
      reader.parse(piece);
    } catch {
      broken = true;
    }
    if (broken) break;
  }
  return { packets, broken };
}

function byDoor(pieces: readonly Buffer[]): { packets: Packet[]; broken: Frames['broken'] } {
  const reader = new FrameReader();
  const packets: Packet[] = [];
  for (const piece of pieces) {
    const read = reader.read(piece);
    packets.push(...read.packets);
    if (read.broken !== undefined) return { packets, broken: read.broken };
  }
  return { packets, broken: undefined };
}

function alike(pieces: readonly Buffer[]): boolean {
  const [library, door] = [byLibrary(pieces), byDoor(pieces)];
  return isDeepStrictEqual(door.packets.map(seen), library.packets.map(seen)) && (door.broken !== undefined) === library.broken;
}

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((value) => !value.includes('\0'));
const topic = text.filter((value) => !/[+#]/.test(value));
const messageId = fc.integer({ min: 1, max: 0xffff });
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);

const will = fc.record({ topic, payload: bytes, qos, retain: fc.boolean() });
const connect = fc
  .record(
    {
      cmd: fc.constant('connect' as const),
      protocolId: fc.constant('MQTT' as const),
      protocolVersion: fc.constantFrom(4 as const, 4 as const, 5 as const),
      clean: fc.constant(true),
      clientId: text,
      keepalive: fc.integer({ min: 0, max: 0xffff }),
      username: text,
      password: bytes,
      will,
    },
    { requiredKeys: ['cmd', 'protocolId', 'protocolVersion', 'clean', 'clientId'] },
  )
  .map(({ password, ...rest }) => (rest.username === undefined || password === undefined ? rest : { ...rest, password }));
const publish = fc.record({
  cmd: fc.constant('publish' as const),
  topic,
  payload: bytes,
  qos,
  dup: fc.boolean(),
  retain: fc.boolean(),
  messageId,
});
const others = fc.oneof(
  fc.record({
    cmd: fc.constant('subscribe' as const),
    messageId,
    subscriptions: fc.array(fc.record({ topic: text, qos }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ cmd: fc.constant('unsubscribe' as const), messageId, unsubscriptions: fc.array(text, { minLength: 1, maxLength: 3 }) }),
  fc.record({ cmd: fc.constantFrom('puback' as const, 'pubrec' as const, 'pubrel' as const), messageId }),
  fc.record({ cmd: fc.constantFrom('pingreq' as const, 'disconnect' as const) }),
);

/** Packets of devices; then here and there another byte, and cuts anywhere: what foreign and hostile clients send. */
const streams = fc
  .record({
    first: fc.option(connect, { nil: undefined }),
    packets: fc.array(fc.oneof(publish, others, connect), { maxLength: 5 }),
    touched: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
    cuts: fc.array(fc.nat(), { maxLength: 4 }),
  })
  .map(({ first, packets, touched, cuts }) => {
    const parts = [...(first === undefined ? [] : [first]), ...packets].map((packet) => generate(packet as Packet));
    const stream = Buffer.concat(parts);
    for (const [at, value] of touched) if (stream.length > 0) stream[at % stream.length] = value;
    const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b);
    return places.slice(1).map((place, index) => stream.subarray(places[index], place));
  });

t.test('whatever a client sends, in whatever pieces, means what the library makes of it', async (t) => {
  const bytes = fc.array(fc.uint8Array({ maxLength: 12 })).map((all) => all.map((piece) => Buffer.from(piece)));
  t.doesNotThrow(() => fc.assert(fc.property(streams, alike), { numRuns: 1000 }));
  t.doesNotThrow(() => fc.assert(fc.property(bytes, alike), { numRuns: 1000 }));
});

t.test('every field at every edge: each byte of each packet of a device, made another', async (t) => {
  const packets = [
    { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: 'd', username: 'u', password: Buffer.from('p') },
    { cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: 'a', qos: 1 }] },
    { cmd: 'publish', topic: 't', payload: Buffer.from('xy'), qos: 1, dup: false, retain: false, messageId: 9 },
    { cmd: 'puback', messageId: 3 },
    { cmd: 'pingreq' },
    { cmd: 'disconnect' },
  ] as Packet[];
  for (const packet of packets) {
    const whole = generate(packet);
    const different: string[] = [];
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 1, 2, 3, 0x7f, 0x80, 0xff, (whole[at] ?? 0) + 1, (whole[at] ?? 0) - 1]) {
        const bytes = Buffer.concat([whole, Buffer.from([0xc0, 0])]);
        bytes[at] = value;
        if (!alike([bytes])) different.push(bytes.toString('hex'));
      }
    }
    t.same(different, [], packet.cmd);
  }
});

t.test('a packet longer than is served is refused, read by us or by the library', async (t) => {
  const long = generate({ cmd: 'publish', topic: 't', payload: Buffer.alloc(400_000), qos: 0, dup: false, retain: false });
  const connect = generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: 'd' });
  t.equal(byDoor([connect, long]).broken, 'too-long');
  t.equal(byDoor([connect, long.subarray(0, 350_000)]).broken, 'too-long', 'before all of it is here');
  t.equal(byDoor([long.subarray(0, 20_000)]).broken, 'too-long', 'earlier before a CONNECT');
  t.equal(byDoor([generate({ cmd: 'connect', protocolId: 'MQIsdp', protocolVersion: 3, clean: true, clientId: 'd' })]).broken, undefined);
  t.equal(byDoor([Buffer.from('100c00044d5154540604003c0000', 'hex')]).broken, 'protocol-version');
  t.equal(byDoor([Buffer.from('101000044d5154540702003c00046162', 'hex'), Buffer.from('6364', 'hex')]).broken, 'protocol-version');
});
