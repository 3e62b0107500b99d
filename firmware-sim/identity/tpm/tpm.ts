import { sized, uint16, uint32 } from '@zerotouch/azure-wire/tpm-bytes';
import type { IdentityTpm } from '../attestation.js';
import { openTpmChannel, type TpmChannel } from './channel.js';
import {
  type Authorisation,
  asksAgain,
  COMMAND,
  decodeResponse,
  encodeCommand,
  HANDLE,
  isUninitialised,
  noPassword,
  ResponseReader,
  type TpmCommand,
} from './command.js';
import { TpmFault } from './faults.js';
import { AES_128_CFB, endorsementKeyTemplate, NO_ALGORITHM, SHA256, storageRootKeyTemplate } from './templates.js';

/** Where Azure's clients keep their keys in a TPM: whoever provisioned it with another one finds them, and so do we theirs. */
const PERSISTENT = { endorsementKey: 0x81010001, storageRootKey: 0x81000001, identityKey: 0x81000100 } as const;

/** How often a busy TPM is asked again. */
const TRIES = 20;

/**
 * The device's TPM 2.0, as far as attestation needs it: it proves who the device is with keys that never leave it. Commands are carried
 * out one after the other. Source: TPM 2.0 Library, part 3; the blob's form as Azure's clients read it.
 */
export class Tpm implements IdentityTpm, AsyncDisposable {
  readonly #name: string;
  #channel: Promise<TpmChannel> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param name how it is reached: see {@link openTpmChannel}; it is opened at first use */
  constructor(name: string) {
    this.#name = name;
  }

  endorsementKey(): Promise<Buffer> {
    return this.#alone(() => this.#primary(PERSISTENT.endorsementKey, HANDLE.endorsement, endorsementKeyTemplate));
  }

  storageRootKey(): Promise<Buffer> {
    return this.#alone(() => this.#rootKey());
  }

  activate(blob: Uint8Array): Promise<void> {
    return this.#alone(() => this.#takeIn(Buffer.from(blob)));
  }

  sign(data: Uint8Array): Promise<Buffer> {
    return this.#alone(async () => {
      const response = await this.#run({
        code: COMMAND.hmac,
        handles: [PERSISTENT.identityKey],
        authorisations: [noPassword],
        parameters: [sized(data), SHA256],
      });
      return parametersOf(response).sized();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last.catch(() => undefined);
    const channel = await this.#channel?.catch(() => undefined);
    this.#channel = undefined;
    await channel?.close();
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #rootKey(): Promise<Buffer> {
    return this.#primary(PERSISTENT.storageRootKey, HANDLE.owner, storageRootKeyTemplate);
  }

  /** TPM2B_PUBLIC of a key that is kept, or is made and kept now. */
  async #primary(handle: number, hierarchy: number, template: Buffer): Promise<Buffer> {
    const kept = await this.#publicOf(handle);
    if (kept !== undefined) return kept;
    const created = await this.#run({
      code: COMMAND.createPrimary,
      handles: [hierarchy],
      authorisations: [noPassword],
      // No password, no data; no outside data; no PCR.
      parameters: [sized(uint16(0), uint16(0)), sized(template), uint16(0), uint32(0)],
    });
    await this.#keep(new ResponseReader(created).uint32(), handle);
    const made = await this.#publicOf(handle);
    if (made === undefined) throw new TpmFault('TPM_REFUSED', 'the TPM did not keep the key that it made', { where: this.#name });
    return made;
  }

  async #publicOf(handle: number): Promise<Buffer | undefined> {
    const response = await this.#ask({ code: COMMAND.readPublic, handles: [handle], parameters: [] });
    if (response.code !== 0 && isAbsent(response.code)) return undefined;
    return sized(new ResponseReader(this.#accepted('ReadPublic', response)).sized());
  }

  /** Moves a loaded object to a persistent handle, in place of what is there. */
  async #keep(loaded: number, handle: number): Promise<void> {
    try {
      if ((await this.#publicOf(handle)) !== undefined) await this.#evict(handle, handle);
      await this.#evict(loaded, handle);
    } finally {
      await this.#flush(loaded);
    }
  }

  async #evict(object: number, handle: number): Promise<void> {
    const handles = [HANDLE.owner, object];
    await this.#run({ code: COMMAND.evictControl, handles, authorisations: [noPassword], parameters: [uint32(handle)] });
  }

  async #flush(handle: number): Promise<void> {
    await this.#ask({ code: COMMAND.flushContext, handles: [], parameters: [uint32(handle)] });
  }

  /**
   * The blob: credential, its secret, the key wrapped twice, its seed, its public area; then data for people. The credential holds
   * the inner wrapping key, which only the TPM with this endorsement key and this storage root key gives out.
   */
  async #takeIn(blob: Buffer): Promise<void> {
    const reader = new ResponseReader(blob);
    const [credential, secret, duplicate, seed, area] = Array.from({ length: 5 }, () => sized(reader.sized())) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    await this.#rootKey();
    const inner = await this.#activateCredential(credential, secret);
    const imported = await this.#run({
      code: COMMAND.import,
      handles: [PERSISTENT.storageRootKey],
      authorisations: [noPassword],
      parameters: [sized(inner), area, duplicate, seed, AES_128_CFB],
    });
    const loaded = await this.#run({
      code: COMMAND.load,
      handles: [PERSISTENT.storageRootKey],
      authorisations: [noPassword],
      parameters: [sized(parametersOf(imported).sized()), area],
    });
    await this.#keep(new ResponseReader(loaded).uint32(), PERSISTENT.identityKey);
  }

  async #activateCredential(credential: Buffer, secret: Buffer): Promise<Buffer> {
    const policy = await this.#startPolicy();
    try {
      await this.#run({
        code: COMMAND.policySecret,
        handles: [HANDLE.endorsement, policy.session],
        authorisations: [noPassword],
        // No nonce, no command, no reference; no expiry.
        parameters: [uint16(0), uint16(0), uint16(0), uint32(0)],
      });
      const response = await this.#run({
        code: COMMAND.activateCredential,
        handles: [PERSISTENT.storageRootKey, PERSISTENT.endorsementKey],
        authorisations: [noPassword, policy],
        parameters: [credential, secret],
      });
      return parametersOf(response).sized();
    } catch (error) {
      // A command that succeeds ends the session itself.
      await this.#flush(policy.session);
      throw error;
    }
  }

  async #startPolicy(): Promise<Authorisation> {
    const response = await this.#run({
      code: COMMAND.startAuthSession,
      handles: [HANDLE.null, HANDLE.null],
      // The nonce protects nothing in a session without HMAC; no salt; a policy session; no encryption.
      parameters: [sized(Buffer.alloc(16)), uint16(0), Buffer.of(1), NO_ALGORITHM, SHA256],
    });
    return { session: new ResponseReader(response).uint32() };
  }

  async #run(command: TpmCommand): Promise<Buffer> {
    return this.#accepted(nameOf(command), await this.#ask(command));
  }

  #accepted(what: string, { code, body }: { code: number; body: Buffer }): Buffer {
    if (code === 0) return body;
    throw new TpmFault('TPM_REFUSED', `the TPM turned ${what} down`, {
      where: this.#name,
      seen: `response code 0x${code.toString(16)}`,
      expected: 'a TPM whose owner and endorsement hierarchies have no password',
    });
  }

  async #ask(command: TpmCommand): Promise<{ code: number; body: Buffer }> {
    this.#channel ??= openTpmChannel(this.#name);
    try {
      const channel = await this.#channel;
      const bytes = encodeCommand(command);
      let response = decodeResponse(await channel.transmit(bytes));
      for (let tries = 1; asksAgain(response.code) && tries < TRIES; tries++) response = decodeResponse(await channel.transmit(bytes));
      if (!isUninitialised(response.code)) return response;
      await channel.transmit(encodeCommand({ code: COMMAND.startup, handles: [], parameters: [uint16(0)] }));
      return decodeResponse(await channel.transmit(bytes));
    } catch (error) {
      // Opened anew next time.
      const broken = this.#channel;
      this.#channel = undefined;
      await (await broken?.catch(() => undefined))?.close();
      throw error;
    }
  }
}

/** After a command with authorisation, the parameters' size stands before them. */
function parametersOf(body: Buffer): ResponseReader {
  return new ResponseReader(body.subarray(4));
}

/** TPM_RC_HANDLE, for whichever handle. Source: TPM 2.0 Library, part 2, section 6.6.3 (format-one codes). */
function isAbsent(code: number): boolean {
  return (code & 0xbf) === 0x8b;
}

function nameOf({ code }: TpmCommand): string {
  return Object.entries(COMMAND).find(([, value]) => value === code)?.[0] ?? `command 0x${code.toString(16)}`;
}
