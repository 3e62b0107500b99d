import { Duplex } from 'node:stream';
import { AmqpConnection } from '@zerotouch/cloud-sim/doors/amqp/connection';
import type { Channel } from '@zerotouch/cloud-sim/doors/channel';
import { MqttConnection } from '@zerotouch/cloud-sim/doors/mqtt/connection';
import { pino } from 'pino';
import t from 'tap';
import { ManualClock } from '../manual-clock.js';

/** A client that sends and never reads: what is written to it never leaves. */
function deaf(): Duplex {
  return new Duplex({ read: () => {}, write: () => {} });
}

for (const protocol of ['MQTT', 'AMQP'] as const) {
  t.test(`a client of ${protocol} that never reads does not keep a connection that is ended`, async (t) => {
    const clock = new ManualClock(0);
    const stream = deaf();
    const channel = { stream, tls: stream, webSocket: true } as unknown as Channel;
    const closed = new Promise<void>((resolve) => stream.once('close', resolve));
    const common = { channel, clock, log: pino({ level: 'silent' }), connectTimeout: 30_000, onClosed: () => {} };
    const connection =
      protocol === 'MQTT'
        ? new MqttConnection({ ...common, receive: async () => ({ returnCode: 5, cause: 'a stranger' }) })
        : new AmqpConnection({
            ...common,
            receive: { challenge: async () => undefined },
            behind: () => {
              throw new Error('nobody is let in');
            },
          });
    // Neither's protocol: it is answered, and the connection ended.
    stream.push('GET / HTTP/1.1\r\n\r\n');
    while (stream.writable) await new Promise(setImmediate);
    connection.sweep();
    clock.advance(4999);
    connection.sweep();
    t.notOk(stream.destroyed, 'there is time to read what was written');
    clock.advance(1);
    connection.sweep();
    await closed;
    t.ok(stream.destroyed);
  });
}
