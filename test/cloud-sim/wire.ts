import { EventEmitter, once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { buildDpsUserName } from '@zerotouch/azure-wire/dps-mqtt';
import type { RegistrationOperationStatus } from '@zerotouch/azure-wire/registration';
import { buildSas, dpsResource } from '@zerotouch/azure-wire/sas';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';
import { derived } from './clouds.js';

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

/** What came back from DPS: its status, `retry-after`, and the body. */
export interface DpsAnswer extends Partial<RegistrationOperationStatus> {
  code: number;
  retryAfter: string | undefined;
  errorCode?: number;
}

/** Signs in to DPS over a wire as a member of a symmetric-key group. */
export async function wireSignIn(
  wire: Wire,
  cloud: Cloud,
  registrationId: string,
  groupKey: string,
  apiVersion = '2021-06-01',
): Promise<void> {
  const { idScope } = cloud.dps;
  const password = buildSas({
    resource: dpsResource(idScope, registrationId),
    key: Buffer.from(derived(groupKey, registrationId), 'base64'),
    expiry: Date.now() / 1000 + 3600,
    keyName: 'registration',
  });
  const username = buildDpsUserName({ idScope, registrationId, apiVersion });
  const code = await wire.connect({ clientId: registrationId, username, password: Buffer.from(password) });
  if (code !== 0) throw new Error(`CONNACK ${code}`);
  wire.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$dps/registrations/res/#', qos: 1 }] } as Packet);
  await wire.next();
}

/** One request to DPS and its answer. */
export async function wireAsk(wire: Wire, topic: string, payload = ''): Promise<DpsAnswer> {
  wire.send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false });
  const answer = await wire.next();
  if (answer.cmd !== 'publish') throw new Error(`${answer.cmd} came instead of an answer`);
  const [, code] = /res\/(\d+)\//.exec(answer.topic) ?? [];
  const [, retryAfter] = /retry-after=([\d.]+)/.exec(answer.topic) ?? [];
  return { code: Number(code), retryAfter, ...(JSON.parse(answer.payload.toString()) as Partial<RegistrationOperationStatus>) };
}

/** Registers over a wire and polls until it is done. */
export async function wireRegister(
  wire: Wire,
  cloud: Cloud,
  registrationId: string,
  groupKey: string,
  body: { payload?: unknown; csr?: unknown; apiVersion?: string } = {},
): Promise<DpsAnswer> {
  const { apiVersion, ...request } = body;
  await wireSignIn(wire, cloud, registrationId, groupKey, apiVersion);
  let answer = await wireAsk(wire, '$dps/registrations/PUT/iotdps-register/?$rid=1', JSON.stringify({ registrationId, ...request }));
  while (answer.code === 202) {
    answer = await wireAsk(wire, `$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=${answer.operationId}`);
  }
  return answer;
}
