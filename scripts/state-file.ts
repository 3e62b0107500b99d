import { chmodSync, mkdirSync, renameSync, rmdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { CLOUD_FILE } from '@zerotouch/firmware-sim/runtime/cloud-file';
import { ProcessLock } from '@zerotouch/foundation/process-lock';

/** What the first JSON line of `zerotouch cloud` says, and its state file holds. `null`: a door that this cloud does not have. */
export interface CloudState {
  ready: true;
  dps: {
    host: string;
    mqttPort: number;
    amqpPort: number;
    httpsPort: number;
    idScope: string;
    serviceConnectionString: string | null;
  };
  hubs: { host: string; region: string; subscription: string; connectionString: string }[];
  /** Azure's resource manager, and how to sign in there; the secret is one. */
  arm: { endpoint: string; tenant: string; clientId: string; clientSecret: string };
  /** Where the web view is, with its token; only when it was asked for. */
  web?: { url: string };
  /** Absolute path of the PEM file that a client must trust. */
  ca: string;
}

/**
 * Claims this folder for one local cloud, before anything is started or written.
 * @returns the claim, to be disposed of when the cloud has ended
 * @throws Fault LOCKED when another live cloud has it
 */
export function claimFolder(path: string = CLOUD_FILE): ProcessLock {
  mkdirSync(dirname(path), { recursive: true });
  return ProcessLock.take(`${resolve(path)}.lock`, 'a local cloud already runs in this folder');
}

/** Writes the state file (0600: it holds connection strings), whole or not at all, with this process's `pid` in it. */
export function writeState(state: CloudState, path: string = CLOUD_FILE): void {
  writePrivately(path, `${JSON.stringify({ ...state, pid: process.pid }, null, 2)}\n`);
}

/** What the state file says, where the cloud that wrote it is alive. */
export async function runningCloud(path: string = CLOUD_FILE): Promise<CloudState | undefined> {
  try {
    const state = JSON.parse(await readFile(path, 'utf8')) as CloudState & { pid: number };
    process.kill(state.pid, 0);
    return state;
  } catch {
    return undefined;
  }
}

/** Leaves no empty folder behind; one that holds something stays. */
export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty, or gone already.
  }
}

/** A file only its owner can read, under its name only once it is complete. */
export function writePrivately(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, text, { mode: 0o600 });
  // The mode of an older draft would stay.
  chmodSync(draft, 0o600);
  renameSync(draft, path);
}
