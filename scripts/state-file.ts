import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CLOUD_FILE } from '@zerotouch/firmware-sim/runtime/cloud-file';
import { Fault } from '@zerotouch/foundation/fault';

/** What the first JSON line of `zerotouch cloud` says, and its state file holds. `null`: a door that this cloud does not have. */
export interface CloudState {
  ready: true;
  dps: {
    host: string;
    mqttPort: number;
    amqpPort: number | null;
    httpsPort: number | null;
    idScope: string;
    serviceConnectionString: string | null;
  };
  hubs: { host: string; region: string; subscription: string; connectionString: string }[];
  arm: { endpoint: string | null };
  /** Absolute path of the PEM file that a client must trust. */
  ca: string;
}

/**
 * Writes the state file (0600: it holds connection strings), whole or not at all, with this process's `pid` in it.
 * @throws Fault STATE_TAKEN when another live cloud is described there
 */
export function writeState(state: CloudState, path: string = CLOUD_FILE): void {
  refuseLiveCloud(path);
  writePrivately(path, `${JSON.stringify({ ...state, pid: process.pid }, null, 2)}\n`);
}

/** @throws Fault STATE_TAKEN when the file describes a cloud whose process is alive */
export function refuseLiveCloud(path: string = CLOUD_FILE): void {
  const pid = recordedPid(path);
  if (pid === undefined || pid === process.pid || !isAlive(pid)) return;
  throw new Fault('STATE_TAKEN', `a local cloud already runs in this folder (process ${pid})`, {
    where: resolve(path),
    remedy: `end it, or start this one in another folder; if process ${pid} is no cloud, remove the file`,
  });
}

/** Removes the state file, and what else belongs to it, if this process wrote it. */
export function removeState(path: string = CLOUD_FILE, ...belongings: string[]): void {
  if (recordedPid(path) !== process.pid) return;
  for (const file of [...belongings, path]) rmSync(file, { force: true });
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

// Whatever is in the file, only a live process counts: a file that a crash or a stranger left behind is overwritten.
function recordedPid(path: string): number | undefined {
  try {
    const { pid } = JSON.parse(readFileSync(path, 'utf8')) as { pid?: unknown };
    return typeof pid === 'number' && Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
