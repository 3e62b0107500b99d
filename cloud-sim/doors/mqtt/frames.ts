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

/** Cuts a stream of bytes into MQTT packets; holds no more than one packet of bounded length. */
export class FrameReader {
  readonly #parser: Parser = parser();
  #packets: Packet[] = [];
  #error: Error | undefined;
  #connectSeen = false;

  constructor() {
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
