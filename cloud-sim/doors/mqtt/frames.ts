import { readDevicePacket } from '@zerotouch/azure-wire/mqtt-device-packets';
import { type Packet, type Parser, parser } from 'mqtt-packet';

/** Longest packet before the CONNECT has come, and after it (the longest telemetry, with room for topic and header), bytes. */
const MAX_BEFORE_CONNECT = 16 * 1024;
const MAX_PACKET = 256 * 1024 + 64 * 1024;

/** What a piece of the byte stream held: packets, and what was wrong after them. */
export interface Frames {
  packets: Packet[];
  /** The stream cannot be read on. */
  broken: 'protocol-version' | 'malformed' | 'too-long' | undefined;
}

/**
 * Cuts a stream of bytes into MQTT packets; holds no more than one packet of bounded length. What devices say again and again, each packet whole in
 * its piece, is read by our own codec; from the first packet on that is anything else, the library reads the rest of the stream.
 */
export class FrameReader {
  #library: LibraryReader | undefined;
  #connectSeen = false;

  read(chunk: Buffer): Frames {
    const packets: Packet[] = [];
    let at = 0;
    while (this.#library === undefined && at < chunk.length) {
      const next = readDevicePacket(chunk, at, MAX_PACKET);
      if (next === undefined) break;
      packets.push(next.packet);
      at = next.end;
    }
    this.#connectSeen ||= packets.some(({ cmd }) => cmd === 'connect');
    if (at === chunk.length) return { packets, broken: undefined };
    this.#library ??= new LibraryReader(this.#connectSeen);
    const rest = this.#library.read(at === 0 ? chunk : chunk.subarray(at));
    return { packets: [...packets, ...rest.packets], broken: rest.broken };
  }
}

/** What `mqtt-packet` makes of a stream. */
class LibraryReader {
  readonly #parser: Parser = parser();
  #packets: Packet[] = [];
  #error: Error | undefined;
  #connectSeen: boolean;

  constructor(connectSeen: boolean) {
    this.#connectSeen = connectSeen;
    this.#parser.on('packet', (packet) => {
      if (packet.cmd === 'connect') this.#connectSeen = true;
      this.#packets.push(packet);
    });
    this.#parser.on('error', (error: Error) => {
      this.#error = error;
    });
  }

  read(chunk: Buffer): Frames {
    this.#packets = [];
    let held = 0;
    try {
      held = this.#parser.parse(chunk);
    } catch (error) {
      this.#error = error instanceof Error ? error : new Error(String(error));
    }
    const packets = this.#packets;
    this.#packets = [];
    if (this.#error !== undefined) {
      const foreign = !this.#connectSeen && /protocol ?(version|id)/i.test(this.#error.message);
      return { packets, broken: foreign ? 'protocol-version' : 'malformed' };
    }
    const longest = this.#connectSeen ? MAX_PACKET : MAX_BEFORE_CONNECT;
    return { packets, broken: held > longest || packets.some(({ length = 0 }) => length > MAX_PACKET) ? 'too-long' : undefined };
  }
}
