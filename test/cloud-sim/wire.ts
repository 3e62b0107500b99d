import { EventEmitter, once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';

/** MQTT by hand over TLS, for what no official client would do. */
export class Wire {
  readonly socket: TLSSocket;
  /** Resolves when the socket has closed. */
  readonly closed: Promise<unknown>;
  readonly #packets: Packet[] = [];
  readonly #arrived = new EventEmitter<{ packet: [] }>();

  constructor(socket: TLSSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    const reader = parser({ protocolVersion: 4 });
    reader.on('packet', (packet) => {
      // The parser goes on with the object it hands out.
      this.#packets.push({ ...packet });
      this.#arrived.emit('packet');
    });
    socket.on('data', (chunk: Buffer) => reader.parse(chunk));
  }

  static async to(cloud: Cloud, options: ConnectionOptions = {}): Promise<Wire> {
    const socket = connect({ host: '127.0.0.1', port: cloud.dps.mqttPort, servername: 'localhost', ca: cloud.ca, ...options });
    await once(socket, 'secureConnect');
    return new Wire(socket);
  }

  send(...packets: Packet[]): void {
    this.socket.write(Buffer.concat(packets.map((packet) => generate(packet))));
  }

  /** The next packet from the cloud. */
  async next(): Promise<Packet> {
    if (this.#packets.length === 0) {
      const gone = this.closed.then(() => {
        throw new Error('the connection closed before a packet came');
      });
      gone.catch(() => {});
      await Promise.race([once(this.#arrived, 'packet'), gone]);
    }
    const packet = this.#packets.shift();
    if (packet === undefined) throw new Error('no packet');
    return packet;
  }

  /** Sends a CONNECT and returns the code of its CONNACK. */
  async connect(packet: Omit<IConnectPacket, 'cmd' | 'protocolId' | 'protocolVersion'>): Promise<number | undefined> {
    this.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, ...packet });
    const answer = await this.next();
    return answer.cmd === 'connack' ? answer.returnCode : undefined;
  }

  end(): void {
    this.socket.destroy();
  }
}
