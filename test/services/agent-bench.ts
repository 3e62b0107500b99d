import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import type { Test } from 'tap';
import { Lines } from '../support/lines.js';

/** The command of the device package, as built. */
export const deviceCommand = fileURLToPath(new URL('../../../firmware-sim/build/zerotouch-device.js', import.meta.url));

const spec = `version: 1
batch: pis
groups:
  - { attestation: symmetric-key, enrolmentGroup: pis, registrationId: 'pi-{serial}', serial: { count: 1 }, initialTwin: { desired: { interval: 7 } } }
`;

/** A place for one agent: a burnt image, a cloud that knows it, the file of that cloud. Its path is short, as addresses of Unix sockets are. */
export interface AgentPlace {
  readonly cloud: Cloud;
  readonly dir: string;
  readonly image: string;
  readonly socket: string;
  readonly settingsFile: string;
  /** Writes the settings file; lines beside those that every agent here needs. */
  settings(...more: string[]): void;
}

export async function agentPlace(t: Test): Promise<AgentPlace> {
  const dir = mkdtempSync(join(tmpdir(), 'zt-agent-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const out = join(dir, 'batch');
  await burnBatch(parseSpec(spec, 'pis.yaml'), { out, clock: systemClock, entropy: systemEntropy });
  const cloud = await startCloud({ retryAfterSeconds: 0 });
  t.teardown(() => cloud.close());
  await cloud.import(JSON.parse(readFileSync(join(out, 'enrolments.json'), 'utf8')) as EnrolmentFile);
  writeFileSync(join(dir, 'ca.pem'), cloud.ca);
  writeFileSync(join(dir, 'cloud.json'), JSON.stringify({ dps: { ...cloud.dps, host: 'localhost' }, ca: 'ca.pem' }));
  const image = join(out, 'images', 'pi-000001.bin');
  const settingsFile = join(dir, 'device.yaml');
  // At once, as an editor does it: an agent that looks between two writes would be right to refuse what it sees.
  const settings = (...more: string[]): void => {
    const text = ['version: 1', `image: ${image}`, 'cloud: cloud.json', 'healthSocket: health.sock', ...more, ''].join('\n');
    writeFileSync(`${settingsFile}.new`, text);
    renameSync(`${settingsFile}.new`, settingsFile);
  };
  settings();
  return { cloud, dir, image, socket: join(dir, 'health.sock'), settingsFile, settings };
}

/** Starts the agent; whatever it says on stderr fails nobody, and is shown. */
export function startAgent(
  t: Test,
  args: readonly string[],
  env: Record<string, string> = {},
  node: readonly string[] = [process.execPath],
): ChildProcess {
  const [program = '', ...before] = node;
  const child = spawn(program, [...before, deviceCommand, ...args], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => t.comment(text.trim()));
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

/** What systemd does with NOTIFY_SOCKET: takes datagrams, and closes the descriptors that come along (`BARRIER=1`). One JSON array a message. */
const manager = `
import json, socket, sys, os
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', '\\0', 1) if sys.argv[1].startswith('@') else sys.argv[1])
print('bound', flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 65536, 8)
    for fd in fds: os.close(fd)
    print(json.dumps(data.decode().strip().split('\\n')), flush=True)
`;

/** Something that stands where systemd does: hears what a service tells at the socket. */
export async function startManager(t: Test, socket: string): Promise<Lines> {
  const child = spawn('python3', ['-c', manager, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = new Lines(child.stdout);
  await lines.until(/^bound$/);
  return lines;
}
