import { once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import rhea, { type EventContext, type Receiver } from 'rhea';
import t from 'tap';
import { issue, type Leaf, makeAuthority } from '../certificates.js';
import { cloudFor, derived, key, lastAttempt } from '../clouds.js';
import { ManualClock } from '../manual-clock.js';
import { registerOver } from './clients.js';
import { enrolled, groupKey, line, token } from './enrolled.js';

for (const transport of ['amqp', 'amqp-ws'] as const) {
  t.test(`the official client registers over ${transport}`, async (t) => {
    const cloud = await enrolled(await cloudFor(t));
    for (const [id, proof] of [
      ['dev-key', { key: derived(groupKey, 'dev-key') }],
      ['dev-cert', { leaf: await issue(line, 'dev-cert') }],
    ] as const) {
      t.match(await registerOver(cloud, transport, id, proof), { deviceId: id, status: 'assigned', substatus: 'initialAssignment' });
      t.match(await lastAttempt(cloud, id), { transport, service: 'dps', outcome: 'assigned' });
    }
    await t.rejects(registerOver(cloud, transport, 'dev-2', { key: key('other') }), { condition: 'amqp:unauthorized-access' } as never);
    t.match(await lastAttempt(cloud, 'dev-2'), { transport, wire: { status: 401, errorCode: 401000 }, reason: { rule: 'sas-signature' } });
    await t.rejects(registerOver(cloud, transport, 'dev-3', { leaf: await issue(await makeAuthority('Elsewhere'), 'dev-3') }));
    t.match(await lastAttempt(cloud, 'dev-3'), { transport, outcome: 'refused', wire: { errorCode: 401002 } });
  });
}

t.test('replies are data sections with both spellings of retry-after, and the correlation id of the request', async (t) => {
  const cloud = await enrolled(await cloudFor(t, { retryAfterSeconds: 7 }));
  const device = await Device.attach(cloud, 'dev-1', { sas: token(cloud, 'dev-1') });
  const reply = await device.ask({ 'iotdps-operation-type': 'iotdps-register' }, 'c-1');
  t.match(reply, { correlation_id: 'c-1', application_properties: { 'retry-after': '7', 'Retry-After': '7' } });
  const { operationId, status } = jsonOf(reply);
  t.equal(status, 'assigning');
  const done = await device.ask({ 'iotdps-operation-type': 'iotdps-get-operationstatus', 'iotdps-operation-id': operationId }, 'c-1');
  t.match(jsonOf(done), { status: 'assigned', registrationState: { deviceId: 'dev-1' } });
  device.end();
});

t.test('the body of a request may come in any section', async (t) => {
  const cloud = await enrolled(await cloudFor(t));
  const device = await Device.attach(cloud, 'dev-1', { sas: token(cloud, 'dev-1') });
  const register = { 'iotdps-operation-type': 'iotdps-register' };
  const text = '{"registrationId":"dev-1"}';
  for (const [name, body] of [
    ['a value of text', text],
    ['a binary value', Buffer.from(text)],
    ['a data section', rhea.message.data_section(Buffer.from(text))],
    ['several data sections', rhea.message.data_sections([Buffer.from(text.slice(0, 9)), Buffer.from(text.slice(9))])],
    ['nothing', null],
  ] as [string, unknown][]) {
    t.match(jsonOf(await device.ask(register, name, body)), { status: 'assigning' }, name);
  }
  for (const [name, body, rule] of [
    ['no JSON', rhea.message.data_section(Buffer.from('{')), 'request-body'],
    ['the id of another', '{"registrationId":"dev-2"}', 'request-id'],
    ['too long', rhea.message.data_section(Buffer.alloc(97 * 1024, ' ')), 'request-size'],
  ] as [string, unknown, string][]) {
    await t.rejects(device.ask(register, name, body), name);
    t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule } });
  }
  await t.rejects(device.ask({}, 'no type'), { code: 400004, condition: 'com.microsoft:argument-error' });
  await t.rejects(device.ask({ 'iotdps-operation-type': 'iotdps-get-operationstatus', 'iotdps-operation-id': '4.1' }, 'strange'), {
    code: 404202,
    condition: 'amqp:not-found',
  });
  device.end();
});

t.test('EXTERNAL takes a certificate, and nothing without one', async (t) => {
  const cloud = await enrolled(await cloudFor(t));
  const device = await Device.attach(cloud, 'dev-cert', { external: true, leaf: await issue(line, 'dev-cert') });
  t.match(jsonOf(await device.ask({ 'iotdps-operation-type': 'iotdps-register' }, 'c-1')), { status: 'assigning' });
  device.end();
  await t.rejects(Device.attach(cloud, 'dev-cert', { external: true }));
});

t.test('links that DPS does not serve are detached with Azure’s error, and the reason is kept', async (t) => {
  const cloud = await enrolled(await cloudFor(t));
  const sas = token(cloud, 'dev-1');
  const scope = cloud.dps.idScope;
  for (const [name, id, options, code, rule] of [
    ['without a credential', 'dev-1', {}, 401000, 'credential-missing'],
    ['of another ID scope', 'dev-1', { sas, address: '0ne12345678/registrations/dev-1' }, 401002, 'id-scope'],
    ['of another device than the token', 'dev-2', { sas, user: `${scope}/registrations/dev-1` }, 400004, 'client-id'],
    ['of an impossible id', 'dev_', { sas, user: `${scope}/registrations/dev_` }, 400004, 'registration-id'],
    ['of another kind', 'dev-1', { sas, address: 'things/dev-1/messages/events' }, 404201, undefined],
  ] as [string, string, DeviceOptions, number, string | undefined][]) {
    await t.rejects(Device.attach(cloud, id, options), { code }, name);
    if (rule !== undefined) t.match(await lastAttempt(cloud, id), { transport: 'amqp', outcome: 'refused', reason: { rule } }, name);
  }
  const full = `amqps://global.azure-devices-provisioning.net/${scope}/registrations/dev-1`;
  const device = await Device.attach(cloud, 'dev-1', { sas, address: full });
  t.match(jsonOf(await device.ask({ 'iotdps-operation-type': 'iotdps-register' }, 'c-1')), { status: 'assigning' }, 'the full form serves');
  device.end();
});

const OPEN = Buffer.from('0000001602000000005310c00904a10178404060ffff', 'hex');
const AMQP = Buffer.from('414d515000010000', 'hex');
const SASL = Buffer.from('414d515003010000', 'hex');

t.test('what is no AMQP of ours ends, with the header that would do', async (t) => {
  const cloud = await enrolled(await cloudFor(t));
  for (const [name, bytes] of [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['AMQP 0-9-1', Buffer.from('414d515000000901', 'hex')],
    ['TLS as a layer', Buffer.from('414d515002010000', 'hex')],
  ] as const) {
    t.strictSame((await spoken(cloud, bytes)).subarray(0, 8), AMQP, name);
  }
  for (const [name, ...pieces] of [
    ['a frame of gigabytes', AMQP, Buffer.from('7fffffff02000000', 'hex')],
    ['a frame shorter than its header', AMQP, Buffer.from('0000000702000000', 'hex')],
    ['a transfer before anything', AMQP, OPEN, Buffer.from('0000000f02000000005314c0030143 43'.replace(' ', ''), 'hex')],
    ['an array of four thousand million nothings', AMQP, arrayBomb()],
    ['a SASL mechanism that is not offered', SASL, saslInit('GUESS', '')],
    ['a SASL response to no challenge', SASL, Buffer.from('0000001102010000005343c00401a00141', 'hex')],
    ['PLAIN without a token', SASL, saslInit('PLAIN', '\0me\0secret')],
  ] as [string, ...Buffer[]][]) {
    await spoken(cloud, ...pieces);
    t.pass(name);
  }
  t.match(await registerOver(cloud, 'amqp', 'dev-9', { key: derived(groupKey, 'dev-9') }), { status: 'assigned' }, 'others are served');
});

t.test('bytes may come one by one', async (t) => {
  const cloud = await enrolled(await cloudFor(t));
  const socket = await dial(cloud);
  for (const byte of Buffer.concat([AMQP, OPEN])) socket.write(Buffer.from([byte]));
  const [header] = (await once(socket, 'data')) as [Buffer];
  t.strictSame(header.subarray(0, 8), AMQP);
  socket.destroy();
});

t.test('a client that says nothing more is let go of', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await enrolled(await cloudFor(t, { clock, connectTimeoutSeconds: 20 }));
  const silent = await Promise.all([[], [AMQP], [AMQP, OPEN], [SASL]].map((pieces) => saying(cloud, ...pieces)));
  let left = silent.length;
  for (const { heard } of silent) void heard.then(() => left--);
  while (left > 0) {
    clock.advance(1000);
    await new Promise(setImmediate);
  }
  t.match(await registerOver(cloud, 'amqp', 'dev-9', { key: derived(groupKey, 'dev-9') }), { status: 'assigned' });
});

interface DeviceOptions {
  sas?: string;
  user?: string;
  address?: string;
  external?: boolean;
  leaf?: Leaf;
}

/** A device of the tests over the plain library, for what no official client does. */
class Device {
  readonly #sender: rhea.Sender;
  readonly #receiver: Receiver;

  constructor(sender: rhea.Sender, receiver: Receiver) {
    this.#sender = sender;
    this.#receiver = receiver;
  }

  static async attach(cloud: Cloud, id: string, { sas, user, address, external, leaf }: DeviceOptions): Promise<Device> {
    const container = rhea.create_container();
    const named = `${cloud.dps.idScope}/registrations/${id}`;
    const connection = container.connect({
      transport: 'tls',
      host: 'localhost',
      port: cloud.dps.amqpPort,
      ca: [cloud.ca],
      reconnect: false,
      ...(leaf ?? {}),
      ...(external === true
        ? { sasl_mechanisms: { EXTERNAL: () => ({ start: (done: (e?: Error, r?: string) => void) => done(undefined, '') }) } }
        : {}),
      ...(sas === undefined ? {} : { username: user ?? named, password: sas }),
    } as Parameters<typeof container.connect>[0]);
    return new Promise((resolve, reject) => {
      const failed = ({ error, receiver, sender, connection: gone }: EventContext) => {
        const problem = (receiver?.error ?? sender?.error ?? error ?? gone.error ?? {}) as { description?: string };
        reject(Object.assign(new Error('refused'), { code: codeIn(problem.description) }));
        connection.close();
      };
      for (const event of ['receiver_error', 'sender_error', 'connection_error', 'disconnected', 'error', 'rejected'])
        container.on(event, failed);
      const properties = { 'com.microsoft:api-version': '2021-06-01' };
      const receiver = connection.open_receiver({ source: { address: address ?? named }, properties } as rhea.ReceiverOptions);
      const sender = connection.open_sender({ target: { address: address ?? named }, properties } as rhea.SenderOptions);
      sender.once('sendable', () => resolve(new Device(sender, receiver)));
    });
  }

  async ask(application_properties: object, correlation_id: string, body: unknown = ''): Promise<rhea.Message> {
    const delivery = this.#sender.send({ application_properties, correlation_id, body } as rhea.Message);
    return new Promise((resolve, reject) => {
      const settled = ({ delivery: which }: EventContext) => {
        if (which !== delivery) return;
        const { error } = delivery.remote_state as { error: rhea.AmqpError };
        reject(Object.assign(new Error('rejected'), { code: codeIn(error.description), condition: error.condition }));
      };
      this.#sender.once('rejected', settled);
      this.#receiver.once('message', ({ message }: EventContext) => {
        this.#sender.removeListener('rejected', settled);
        resolve(message as rhea.Message);
      });
    });
  }

  end(): void {
    this.#sender.connection.close();
  }
}

function codeIn(description: string | undefined): number | undefined {
  return description?.startsWith('{') === true ? (JSON.parse(description) as { errorCode: number }).errorCode : undefined;
}

function jsonOf({ body }: rhea.Message): Record<string, unknown> {
  return JSON.parse((body as { content: Buffer }).content.toString('utf8')) as Record<string, unknown>;
}

async function dial(cloud: Cloud, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: 'localhost', port: cloud.dps.amqpPort, ca: cloud.ca, ...options });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

/** Says something, and gives back what was answered until the cloud closed the connection. */
async function spoken(cloud: Cloud, ...pieces: Buffer[]): Promise<Buffer> {
  return (await saying(cloud, ...pieces)).heard;
}

/** Resolves when it has been said. */
async function saying(cloud: Cloud, ...pieces: Buffer[]): Promise<{ heard: Promise<Buffer> }> {
  const socket = await dial(cloud);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  for (const piece of pieces) socket.write(piece);
  return { heard: once(socket, 'close').then(() => Buffer.concat(chunks)) };
}

/** An open frame whose desired capabilities are an array of 2^32 - 1 nulls. */
function arrayBomb(): Buffer {
  const body = Buffer.from('005310d00000001800000009a10178404040404040 40f0000000 05ffffffff40'.replaceAll(' ', ''), 'hex');
  return framed(0, body);
}

function saslInit(mechanism: string, response: string): Buffer {
  const fields = Buffer.concat([
    Buffer.from([0xa3, mechanism.length]),
    Buffer.from(mechanism),
    Buffer.from([0xa0, response.length]),
    Buffer.from(response),
  ]);
  return framed(1, Buffer.concat([Buffer.from([0x00, 0x53, 0x41, 0xc0, fields.length + 1, 2]), fields]));
}

function framed(type: number, body: Buffer): Buffer {
  const head = Buffer.from([0, 0, 0, 0, 2, type, 0, 0]);
  head.writeUInt32BE(8 + body.length);
  return Buffer.concat([head, body]);
}
