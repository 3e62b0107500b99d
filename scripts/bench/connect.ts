import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { buildDpsUserName } from '@zerotouch/azure-wire/dps-mqtt';
import { GLOBAL_DPS_HOST, LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import { makeServerIdentity, type ServerIdentity } from '@zerotouch/cloud-sim/doors/authority';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { validityFrom } from '@zerotouch/manufacturing/authority';
import { drawSerialNumber, makeKeyPair, privateKeyPem, publicKeyBytes, selfSign } from '@zerotouch/manufacturing/certificates';
import type { ServerOrder } from './connect-server.js';
import { type BenchResult, resultOf, round } from './measure.js';

/** Connections a round, at a time, and rounds: the medians of the rounds are told, for the machine may be busy with other things. */
const CONNECTIONS = 300;
const AT_ONCE = 8;
const ROUNDS = 7;
const DEVICE = 'bench-1';
const MOSQUITTO = '/usr/sbin/mosquitto';
/** Of the kernel's clock that /proc counts in. */
const TICK_MS = 10;
const DISCONNECT = Buffer.from([0xe0, 0]);

interface Credentials {
  cert: string;
  key: string;
}

/** A server under load: where it listens, and the CPU time it has taken so far. */
interface Peer {
  port: number;
  cpuMs(): Promise<number>;
  end(): void;
}

/**
 * Server CPU of a connection: TCP, TLS handshake with client certificate, MQTT CONNECT and CONNACK, DISCONNECT. Beside the cloud, a bare
 * node:tls server that does nothing else, and mosquitto where Debian has put one. Certificates are P-256 everywhere, made by the same
 * code; the client's is the same one. The servers take turns, so that all meet the same load.
 */
export async function benchConnect(): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'zerotouch-bench-'));
  const identity = await makeServerIdentity([GLOBAL_DPS_HOST, '*.azure-devices-provisioning.net', '*.azure-devices.net', 'localhost']);
  const device = await makeDevice();
  const peers = new Map<string, Peer>();
  try {
    peers.set('zerotouch', await forked({ kind: 'cloud', identity }));
    peers.set('bare node:tls', await forked({ kind: 'bare', identity }));
    if (existsSync(MOSQUITTO)) peers.set('mosquitto', await mosquitto(folder, identity, device));
    const taken = new Map<string, number[]>([...peers.keys()].map((name) => [name, []]));
    for (const { port } of peers.values()) await load(port, device);
    for (let count = 0; count < ROUNDS; count++) {
      for (const [name, peer] of peers) {
        const before = await peer.cpuMs();
        await load(peer.port, device);
        taken.get(name)?.push(((await peer.cpuMs()) - before) / CONNECTIONS);
      }
    }
    const figure = (name: string): number => round(median(taken.get(name) ?? []));
    const peer = Object.fromEntries([...peers.keys()].filter((name) => name !== 'zerotouch').map((name) => [name, figure(name)]));
    const ours = figure('zerotouch');
    return resultOf(
      'connect',
      'server CPU-ms a mutual-TLS MQTT connection',
      ours,
      { peer, limit: { 'bare node:tls': figure('bare node:tls') } },
      { timesBare: round(ours / figure('bare node:tls')), mosquitto: peers.has('mosquitto') ? 'measured' : 'not installed' },
    );
  } finally {
    for (const peer of peers.values()) peer.end();
    rmSync(folder, { recursive: true });
  }
}

async function forked(order: ServerOrder): Promise<Peer> {
  const child = fork(fileURLToPath(new URL('./connect-server.js', import.meta.url)));
  const ask = async (message: object): Promise<{ port: number; cpuMs: number }> => {
    child.send(message);
    const [answer] = (await once(child, 'message')) as [{ port: number; cpuMs: number }];
    return answer;
  };
  const { port } = await ask(order);
  return { port, cpuMs: async () => (await ask({})).cpuMs, end: () => child.kill() };
}

async function mosquitto(folder: string, identity: ServerIdentity, device: Credentials): Promise<Peer> {
  const port = await freePort();
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const config = [
    ...[`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'set_tcp_nodelay true', 'require_certificate true', 'log_type none'],
    // The device's certificate is its own issuer here: mosquitto wants one that it knows.
    `cafile ${file('ca.pem', device.cert)}`,
    `certfile ${file('server.pem', identity.certificate)}`,
    `keyfile ${file('server.key', identity.privateKey)}`,
    // Started by root it would give up its rights, and with them these files.
    ...(process.getuid?.() === 0 ? ['user root'] : []),
  ];
  const child = spawn(MOSQUITTO, ['-c', file('mosquitto.conf', `${config.join('\n')}\n`)], { stdio: 'ignore' });
  await listening(port, child);
  return { port, cpuMs: async () => processCpuMs(child.pid ?? 0), end: () => child.kill() };
}

/** CPU time of another process, from /proc. */
function processCpuMs(pid: number): number {
  // After the name in brackets, which may hold anything: field 3 is the first, user and system time are fields 14 and 15.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

async function load(port: number, device: Credentials): Promise<void> {
  let left = CONNECTIONS;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await connection(port, device);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** One connection from handshake to the end. */
async function connection(port: number, device: Credentials): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false, ...device });
  socket.setNoDelay(true);
  socket.once('secureConnect', () => socket.write(CONNECT));
  await once(socket, 'data');
  const closed = once(socket, 'close');
  socket.end(DISCONNECT);
  await closed;
}

const CONNECT = connectPacket(DEVICE, buildDpsUserName({ idScope: LOCAL_ID_SCOPE, registrationId: DEVICE, apiVersion: '2021-06-01' }));

/** MQTT 3.1.1, section 3.1: clean session, user name, no password. */
function connectPacket(clientId: string, userName: string): Buffer {
  const text = (value: string): Buffer => {
    const size = Buffer.alloc(2);
    size.writeUInt16BE(value.length);
    return Buffer.concat([size, Buffer.from(value)]);
  };
  const body = Buffer.concat([text('MQTT'), Buffer.from([4, 0x82, 0, 60]), text(clientId), text(userName)]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

async function makeDevice(): Promise<Credentials> {
  const { privateKey, publicKey } = await makeKeyPair();
  const request = {
    commonName: DEVICE,
    publicKey: publicKeyBytes(publicKey),
    serialNumber: drawSerialNumber(systemEntropy),
    validity: validityFrom(systemClock, 30),
  };
  return { cert: await selfSign(request, privateKey), key: privateKeyPem(privateKey) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    const socket = connectTcp(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    if (child.exitCode !== null) throw new Error(`${MOSQUITTO} ended with code ${child.exitCode}`);
    await systemClock.wait(50);
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
