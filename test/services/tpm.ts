import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the endorsement key and the storage root key are kept, as Azure's clients have it. */
const ENDORSEMENT_KEY = '0x81010001';
const STORAGE_ROOT_KEY = '0x81000001';
/** What tpm2_activatecredential expects before the two structures: its magic number, and version 1. */
const CREDENTIAL_HEAD = Buffer.from('badcc0de00000001', 'hex');

type Done<T> = (error: Error | null, result?: T) => void;

/**
 * A TPM 2.0 by way of Debian's tpm2-tools, in the shape of azure-iot-security-tpm, so that the official provisioning client drives it.
 * The HMAC key never is where this code could see it.
 */
export class ToolsTpm {
  readonly registrationId: string;
  readonly #folder: string;
  readonly #tcti: string;

  /**
   * @param folder for the files that the tools exchange
   * @param tcti how the tools reach the TPM
   */
  constructor(registrationId: string, folder: string, tcti: string) {
    this.registrationId = registrationId;
    this.#folder = folder;
    this.#tcti = tcti;
    if (!this.#run('tpm2_getcap', 'handles-persistent').includes(STORAGE_ROOT_KEY)) {
      this.#run('tpm2_createek', '-G', 'rsa', '-c', ENDORSEMENT_KEY);
      this.#run('tpm2_flushcontext', '-t');
      this.#run('tpm2_createprimary', '-C', 'o', '-g', 'sha256', '-G', 'rsa', '-c', 'srk.ctx');
      this.#run('tpm2_evictcontrol', '-C', 'o', '-c', 'srk.ctx', STORAGE_ROOT_KEY);
      this.#run('tpm2_flushcontext', '-t');
    }
    this.#run('tpm2_readpublic', '-c', ENDORSEMENT_KEY, '-o', 'ek.pub');
    this.#run('tpm2_readpublic', '-c', STORAGE_ROOT_KEY, '-o', 'srk.pub');
  }

  get endorsementKey(): Buffer {
    return this.#read('ek.pub');
  }

  getEndorsementKey(done: Done<Buffer>): void {
    done(null, this.endorsementKey);
  }

  getStorageRootKey(done: Done<Buffer>): void {
    done(null, this.#read('srk.pub'));
  }

  getRegistrationId(done: Done<string>): void {
    done(null, this.registrationId);
  }

  activateIdentityKey(blob: Buffer, done: (error: Error | null) => void): void {
    try {
      this.activate(blob);
      done(null);
    } catch (error) {
      done(error as Error);
    }
  }

  signWithIdentity(data: Buffer | string, done: Done<Buffer>): void {
    try {
      done(null, this.sign(data));
    } catch (error) {
      done(error as Error);
    }
  }

  /** HMAC-SHA256 with the key that was imported last, made in the TPM. */
  sign(data: Buffer | string): Buffer {
    this.#write('data', Buffer.from(data));
    this.#run('tpm2_hmac', '-c', 'key.ctx', '-o', 'signature', 'data');
    this.#run('tpm2_flushcontext', '-t');
    return this.#read('signature');
  }

  /** Activates the credential, imports the key under the storage root key and loads it. */
  activate(blob: Buffer): void {
    const [credential, secret, duplicate, seed, area] = structures(blob);
    this.#write('credential', CREDENTIAL_HEAD, credential, secret);
    this.#run('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx');
    this.#run('tpm2_policysecret', '-S', 'session.ctx', '-c', 'e');
    this.#run(
      ...[
        'tpm2_activatecredential',
        '-c',
        STORAGE_ROOT_KEY,
        '-C',
        ENDORSEMENT_KEY,
        '-i',
        'credential',
        '-o',
        'inner',
        '-P',
        'session:session.ctx',
      ],
    );
    this.#run('tpm2_flushcontext', 'session.ctx');
    this.#write('duplicate', duplicate);
    this.#write('seed', seed);
    this.#write('area', area);
    this.#run(...['tpm2_import', '-C', STORAGE_ROOT_KEY, '-u', 'area', '-i', 'duplicate', '-s', 'seed', '-k', 'inner', '-r', 'private']);
    this.#run('tpm2_load', '-C', STORAGE_ROOT_KEY, '-u', 'area', '-r', 'private', '-c', 'key.ctx');
    this.#run('tpm2_flushcontext', '-t');
  }

  #run(...[tool = '', ...args]: string[]): string {
    return execFileSync(tool, args, { cwd: this.#folder, env: { ...process.env, TPM2TOOLS_TCTI: this.#tcti }, encoding: 'utf8' });
  }

  #read(name: string): Buffer {
    return readFileSync(join(this.#folder, name));
  }

  #write(name: string, ...parts: (Buffer | undefined)[]): void {
    writeFileSync(join(this.#folder, name), Buffer.concat(parts.filter((part) => part !== undefined)));
  }
}

/** The structures of a blob, each with its size before it. */
function structures(blob: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < blob.length; at += found.at(-1)?.length ?? 1) found.push(blob.subarray(at, at + 2 + blob.readUInt16BE(at)));
  return found;
}
