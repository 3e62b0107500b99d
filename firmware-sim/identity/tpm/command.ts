import { uint16, uint32 } from '@zerotouch/azure-wire/tpm-bytes';
import { TpmFault } from './faults.js';

/** Command codes. Source: TPM 2.0 Library, part 2, table 12. */
export const COMMAND = {
  evictControl: 0x120,
  createPrimary: 0x131,
  startup: 0x144,
  activateCredential: 0x147,
  policySecret: 0x151,
  hmac: 0x155,
  import: 0x156,
  load: 0x157,
  flushContext: 0x165,
  readPublic: 0x173,
  startAuthSession: 0x176,
} as const;

/** Permanent handles. Source: TPM 2.0 Library, part 2, table 28. */
export const HANDLE = { owner: 0x40000001, null: 0x40000007, password: 0x40000009, endorsement: 0x4000000b } as const;

/** Response codes that are acted on. Source: TPM 2.0 Library, part 2, section 6.6. */
const RC = { success: 0, initialize: 0x100, yielded: 0x908, testing: 0x90a, retry: 0x922 } as const;

/** A session that authorises a command: a password (always empty here), or a policy. */
export interface Authorisation {
  readonly session: number;
}

/** An empty password. */
export const noPassword: Authorisation = { session: HANDLE.password };

/** One command, before it is bytes. */
export interface TpmCommand {
  readonly code: (typeof COMMAND)[keyof typeof COMMAND];
  readonly handles: readonly number[];
  /** One for each handle that needs it, in their order. */
  readonly authorisations?: readonly Authorisation[];
  readonly parameters: readonly Uint8Array[];
}

/** A command as the TPM takes it. Source: TPM 2.0 Library, part 1, section 18 (command/response structure). */
export function encodeCommand({ code, handles, authorisations = [], parameters }: TpmCommand): Buffer {
  // Handle, no nonce, no attribute (the session ends with the command), no HMAC.
  const sessions = authorisations.map(({ session }) => Buffer.concat([uint32(session), uint16(0), Buffer.of(0), uint16(0)]));
  const authorised = sessions.length === 0 ? [] : [uint32(Buffer.concat(sessions).length), ...sessions];
  const body = Buffer.concat([...handles.map(uint32), ...authorised, ...parameters]);
  return Buffer.concat([uint16(sessions.length === 0 ? 0x8001 : 0x8002), uint32(10 + body.length), uint32(code), body]);
}

/** What a TPM answered: its response code, and what follows. */
export interface TpmResponse {
  readonly code: number;
  readonly body: Buffer;
}

/** @throws TpmFault TPM_GARBLED */
export function decodeResponse(bytes: Buffer): TpmResponse {
  if (bytes.length < 10 || bytes.readUInt32BE(2) !== bytes.length)
    throw new TpmFault('TPM_GARBLED', 'this is no response of a TPM', { seen: `${bytes.length} bytes` });
  return { code: bytes.readUInt32BE(6), body: bytes.subarray(10) };
}

/** Whether a response asks for the command to be sent again. */
export function asksAgain(code: number): boolean {
  return code === RC.yielded || code === RC.testing || code === RC.retry;
}

/** Whether the TPM was never started since it got power. */
export function isUninitialised(code: number): boolean {
  return code === RC.initialize;
}

/** Reads what a response holds, in its order. */
export class ResponseReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  uint32(): number {
    return this.#take(4).readUInt32BE(0);
  }

  /** A byte string (TPM2B), without its size. */
  sized(): Buffer {
    return this.#take(this.#take(2).readUInt16BE(0));
  }

  #take(count: number): Buffer {
    this.#at += count;
    if (this.#at > this.#bytes.length)
      throw new TpmFault('TPM_GARBLED', 'a structure of the TPM ends too early', { seen: `${this.#bytes.length} bytes` });
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}
