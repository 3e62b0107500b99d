import rhea, { type Message } from 'rhea';

/** The part of the library's reader of AMQP types that is guarded. */
interface ReaderClass {
  prototype: { buffer: Buffer; read_array_items(count: number, type: unknown): unknown[] };
}

const { Reader } = rhea.types as unknown as { Reader: ReaderClass };
const readItems = Reader.prototype.read_array_items;

// The library believes the announced count of an array. Elements of some types take no bytes at all (null, true, 0), so that a frame of
// thirty bytes could announce four thousand million of them, and they would all be made.
Reader.prototype.read_array_items = function (count, type) {
  if (count > this.buffer.length) throw new RangeError(`an array of ${count} elements was announced in ${this.buffer.length} bytes`);
  return readItems.call(this, count, type);
};

/** The AMQP 1.0 library, safe to be given bytes of strangers in frames of bounded length. */
export const { create_container: createContainer } = rhea;

/**
 * A message as the library hands it over. One whose transfer names another format than 0, or none, it leaves encoded.
 * @returns `undefined` for bytes that are no message
 */
export function decodedMessage(message: Message | Buffer): Message | undefined {
  if (!Buffer.isBuffer(message)) return message;
  // Of bytes that do not even begin as a section does, the library complains to the console.
  if (message[0] !== 0) return undefined;
  try {
    return rhea.message.decode(message) as unknown as Message;
  } catch {
    // The library throws whatever it stumbles over.
    return undefined;
  }
}
