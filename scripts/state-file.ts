import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Fault } from '@zerotouch/foundation/fault';
import { z } from 'zod';

/** Where a running local cloud is described, in the folder it was started in. */
export const STATE_FILE = join('.zerotouch', 'cloud.json');

const port = z.number().int().min(1).max(65_535);

const cloudState = z.looseObject({
  ready: z.literal(true),
  /** `null`: a door that this cloud does not have. */
  dps: z.looseObject({
    host: z.string(),
    mqttPort: port,
    amqpPort: port.nullable(),
    httpsPort: port.nullable(),
    idScope: z.string(),
    serviceConnectionString: z.string().nullable(),
  }),
  hubs: z.array(
    z.looseObject({ host: z.string(), region: z.string(), subscription: z.string().nullable(), connectionString: z.string().nullable() }),
  ),
  arm: z.looseObject({ endpoint: z.string().nullable() }),
  /** Absolute path of the PEM file that a client must trust. */
  ca: z.string(),
  /** The process that runs the cloud. */
  pid: z.number().int().positive().optional(),
});

/** What the first JSON line of `zerotouch cloud` says, and its state file holds. Ports are of TCP on the loopback addresses. */
export type CloudState = z.infer<typeof cloudState>;

export type StateFaultCode = 'STATE_MISSING' | 'STATE_UNREADABLE' | 'STATE_NOT_JSON' | 'STATE_SHAPE' | 'STATE_TAKEN';

/** A state file that is missing, broken or another cloud's. */
export class StateFault extends Fault<StateFaultCode> {}

/**
 * Reads the description of a running local cloud.
 * @param path a state file; by default the one of the working folder
 * @throws StateFault
 */
export function readState(path: string = STATE_FILE): CloudState {
  const where = resolve(path);
  const value = parse(where, read(where));
  const parsed = cloudState.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new StateFault('STATE_SHAPE', `the state file does not describe a cloud: ${issue?.message ?? 'wrong shape'}`, {
    where: `${where}, ${issue?.path.join('.') || 'top level'}`,
    expected: 'a file written by zerotouch cloud of this version',
    remedy: 'stop that cloud, remove the file and start zerotouch cloud again',
  });
}

/**
 * Writes the state file (0600: it holds connection strings), whole or not at all.
 * @throws StateFault STATE_TAKEN when another live cloud is described there
 */
export function writeState(state: CloudState, path: string = STATE_FILE): void {
  refuseLiveCloud(path);
  writePrivately(path, `${JSON.stringify(state, null, 2)}\n`);
}

/** @throws StateFault STATE_TAKEN when the file describes a cloud whose process is alive */
export function refuseLiveCloud(path: string = STATE_FILE): void {
  const pid = recordedPid(path);
  if (pid === undefined || pid === process.pid || !isAlive(pid)) return;
  throw new StateFault('STATE_TAKEN', `a local cloud already runs in this folder (process ${pid})`, {
    where: resolve(path),
    remedy: `end it (kill ${pid}) or start this one in another folder`,
  });
}

/** Removes the state file, and what else belongs to it, if this process wrote it. */
export function removeState(path: string = STATE_FILE, ...belongings: string[]): void {
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

function read(where: string): string {
  try {
    return readFileSync(where, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new StateFault('STATE_MISSING', 'no local cloud runs here', {
        where,
        remedy: 'start one in this folder with zerotouch cloud, or name its state file with --cloud FILE',
        cause,
      });
    }
    throw new StateFault('STATE_UNREADABLE', `the state file cannot be read (${(cause as NodeJS.ErrnoException).code})`, { where, cause });
  }
}

function parse(where: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and the text holds keys.
    throw new StateFault('STATE_NOT_JSON', 'the state file is not JSON', {
      where,
      expected: 'a file written by zerotouch cloud',
      remedy: 'remove it and start zerotouch cloud again',
    });
  }
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
