import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { TpmFault } from './faults.js';

/** A way to a TPM: one command in, one response out. */
export interface TpmChannel {
  /** @throws TpmFault TPM_UNREACHABLE, TPM_GARBLED */
  transmit(command: Uint8Array): Promise<Buffer>;
  close(): Promise<void>;
}

/** No response of a TPM is longer. Source: TPM 2.0 Library, part 2, MAX_RESPONSE_SIZE of common chips. */
const RESPONSE_MAX = 4096;
/** How long a TPM may take, milliseconds: making an RSA key takes a slow chip a minute. */
const ANSWER_MS = 120_000;
/** TPM_SEND_COMMAND of the reference simulator's protocol. Source: TPM 2.0 Library, part 4, annex D. */
const SEND_COMMAND = 8;

/**
 * Opens the way that a name in the form of tpm2-tools' TCTI tells: `device:/dev/tpmrm0` (or the path alone), `swtpm:host=H,port=P` (plain
 * commands over TCP, as swtpm takes them), `mssim:host=H,port=P` (the reference simulator's protocol).
 * @throws TpmFault TPM_NAME, TPM_UNREACHABLE
 */
export async function openTpmChannel(name: string): Promise<TpmChannel> {
  if (name.startsWith('/')) return openDevice(name);
  const [, kind, rest = ''] = /^(device|swtpm|mssim):(.*)$/.exec(name) ?? [];
  if (kind === 'device') return openDevice(rest);
  const settings = new Map(rest.split(',').map((pair) => pair.split('=', 2) as [string, string | undefined]));
  const port = Number(settings.get('port') ?? 2321);
  if (kind === undefined || !(port >= 1 && port <= 65_535)) {
    throw new TpmFault('TPM_NAME', 'this names no TPM', { seen: name, expected: '/dev/tpmrm0, or swtpm:host=127.0.0.1,port=2321' });
  }
  return openSocket(name, settings.get('host') ?? 'localhost', port, kind === 'mssim');
}

async function openDevice(path: string): Promise<TpmChannel> {
  const file: FileHandle = await open(path, 'r+').catch((cause: NodeJS.ErrnoException) => {
    const remedy = cause.code === 'EACCES' ? 'add the user to the group tss' : undefined;
    throw unreachable(path, cause, remedy);
  });
  return {
    // The kernel carries a command out while it is written.
    async transmit(command) {
      try {
        await file.write(command);
        const { buffer, bytesRead } = await file.read(Buffer.alloc(RESPONSE_MAX), 0, RESPONSE_MAX, null);
        return buffer.subarray(0, bytesRead);
      } catch (cause) {
        throw unreachable(path, cause);
      }
    },
    close: () => file.close(),
  };
}

async function openSocket(name: string, host: string, port: number, framed: boolean): Promise<TpmChannel> {
  const socket = connect({ host, port, noDelay: true });
  try {
    await once(socket, 'connect');
  } catch (cause) {
    throw unreachable(name, cause);
  }
  // Told to whoever reads next; without a listener it would end the process.
  socket.on('error', () => undefined);
  const reader = new SocketReader(socket, name);
  return {
    async transmit(command) {
      if (!framed) {
        socket.write(command);
        const head = await reader.take(10);
        return Buffer.concat([head, await reader.take(sizeIn(head, 2) - head.length)]);
      }
      const head = Buffer.alloc(9);
      head.writeUInt32BE(SEND_COMMAND, 0);
      head.writeUInt32BE(command.length, 5);
      socket.write(Buffer.concat([head, command]));
      const response = await reader.take(sizeIn(await reader.take(4), 0));
      await reader.take(4);
      return response;
    },
    async close() {
      socket.destroy();
    },
  };
}

/** Takes so many bytes from a socket, however they arrive. */
class SocketReader {
  readonly #socket: Socket;
  readonly #name: string;
  #kept = Buffer.alloc(0);
  #wanting: (() => void) | undefined;

  constructor(socket: Socket, name: string) {
    this.#socket = socket;
    this.#name = name;
    socket.on('data', (bytes: Buffer) => {
      this.#kept = Buffer.concat([this.#kept, bytes]);
      this.#wanting?.();
    });
    socket.once('close', () => this.#wanting?.());
  }

  async take(count: number): Promise<Buffer> {
    while (this.#kept.length < count) {
      if (this.#socket.destroyed) throw unreachable(this.#name, this.#socket.errored ?? new Error('the connection was closed'));
      await this.#more();
    }
    const taken = this.#kept.subarray(0, count);
    this.#kept = this.#kept.subarray(count);
    return taken;
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(unreachable(this.#name, new Error(`no answer in ${ANSWER_MS / 1000} s`))), ANSWER_MS);
      this.#wanting = () => {
        clearTimeout(limit);
        resolve();
      };
    });
  }
}

function sizeIn(bytes: Buffer, at: number): number {
  const size = bytes.readUInt32BE(at);
  if (size > RESPONSE_MAX || size < 10) throw new TpmFault('TPM_GARBLED', 'this is no response of a TPM', { seen: `${size} bytes` });
  return size;
}

function unreachable(where: string, cause: unknown, remedy?: string): TpmFault {
  const summary = `the TPM cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`;
  return new TpmFault('TPM_UNREACHABLE', summary, { where, cause, ...(remedy === undefined ? {} : { remedy }) });
}
