import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { askTimeServer, overUdp, SettableClock, timePort } from '@zerotouch/firmware-sim/runtime/time-server';
import { systemClock } from '@zerotouch/foundation/clock';
import t from 'tap';

const patient = new AbortController().signal;
const NTP_SECONDS = 2_208_988_800;

/** What a time server answers at a time, seconds since 1970. */
function answer(request: Uint8Array, seconds: number, change: (packet: Buffer) => void = () => undefined): Buffer {
  const packet = Buffer.alloc(48);
  packet[0] = 0x24;
  packet[1] = 2;
  Buffer.from(request).copy(packet, 24, 40, 48);
  for (const at of [32, 40]) packet.writeUInt32BE((seconds + NTP_SECONDS) % 2 ** 32, at);
  change(packet);
  return packet;
}

/** A device that woke up in 1970, and on which no time goes by. */
const unset = (): SettableClock => new SettableClock({ ...systemClock, now: () => 5_000, monotonic: () => 0 });

t.test('a device that wakes up in 1970 is told the time, beyond 2036 too', async (t) => {
  for (const time of ['2026-11-24T20:00:00Z', '2040-01-01T00:00:00Z']) {
    const clock = unset();
    const set = await timePort(clock, ['time'], async (_, request) => answer(request, Date.parse(time) / 1000)).set(patient);
    t.equal(set, 'clock-set');
    t.equal(clock.now(), Date.parse(time));
  }
});

t.test('an answer that is none sets nothing, and the next server is asked', async (t) => {
  const now = Date.UTC(2030, 0, 1) / 1000;
  const bad: Record<string, (packet: Buffer) => void> = {
    'a kiss of death': (packet) => packet.writeUInt8(0, 1),
    'not synchronised': (packet) => packet.writeUInt8(0xe4, 0),
    'a broadcast': (packet) => packet.writeUInt8(0x25, 0),
    "somebody else's": (packet) => packet.writeUInt8(packet.readUInt8(31) ^ 1, 31),
  };
  for (const [what, change] of Object.entries(bad)) {
    const asked: string[] = [];
    const clock = unset();
    const port = timePort(clock, ['first', 'second'], async (server, request) => {
      asked.push(server);
      return answer(request, now, server === 'first' ? change : undefined);
    });
    t.equal(await port.set(patient), 'clock-set', what);
    t.strictSame([asked, clock.now()], [['first', 'second'], now * 1000], what);
  }
  const clock = unset();
  t.equal(await timePort(clock, ['a'], async () => Buffer.alloc(3)).set(patient), 'clock-unset', 'nobody tells the time');
  t.equal(clock.now(), 5_000);
});

t.test('a clock that was told the time asks nobody', async (t) => {
  const port = timePort(new SettableClock(), ['time'], async () => {
    throw new Error(String(t.fail('asked')));
  });
  t.equal(await port.set(patient), 'clock-set');
});

t.test('over UDP', async (t) => {
  const server = createSocket('udp4');
  t.teardown(() => server.close());
  server.on('message', (request, { port, address }) => server.send(answer(request, 2_000_000_000), port, address));
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const offset = await askTimeServer(`127.0.0.1:${server.address().port}`, unset(), overUdp, patient);
  t.equal(offset, 2_000_000_000_000 - 5_000);
});
