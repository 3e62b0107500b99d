import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Fault } from '@zerotouch/foundation/fault';
import { NODE_ARGUMENTS_FOR_THOUSANDS } from '@zerotouch/foundation/garbage';
import { FleetFault } from './faults.js';
import { emptyTally, type Tally } from './metrics.js';
import type { ShardOrder } from './shard.js';
import type { FromShard, ToShard } from './shard-messages.js';

/** How Node runs such a process. Its memory is measured with garbage collected. */
export const NODE_ARGUMENTS = ['--expose-gc', ...NODE_ARGUMENTS_FOR_THOUSANDS] as const;

/** A process of a fleet, seen from the fleet. */
export class ShardHandle {
  readonly #child: ChildProcess;
  readonly #gone: Promise<never>;
  #listener: ((message: FromShard) => void) | undefined;
  #ended = false;
  /** Told of images that its devices wait for. */
  onWants: ((images: readonly string[]) => void) | undefined;
  /** What its devices have done, as last told. */
  tally: Tally = emptyTally();

  /** @param execPath of the runtime, absent: this one's own @param onUntold called when its traces do not get to where they should */
  constructor(execPath?: string, onUntold: (detail: string) => void = () => undefined) {
    this.#child = fork(fileURLToPath(new URL('./shard-process.js', import.meta.url)), {
      ...(execPath === undefined ? { execArgv: [...NODE_ARGUMENTS] } : { execPath, execArgv: [] }),
      serialization: 'json',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#gone = new Promise((_, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (code, signal) => {
        this.#ended = true;
        reject(
          new FleetFault('SHARD_LOST', 'a process of the fleet ended before its devices did', {
            seen: signal ?? `exit code ${code}`,
            remedy: 'look for what the system says of it (out of memory?), and power the fleet on again',
          }),
        );
      });
    });
    this.#gone.catch(() => undefined);
    this.#child.on('message', (message: FromShard) => {
      if (message.kind === 'untold') onUntold(message.detail);
      if ('tally' in message) this.tally = message.tally;
      if (message.kind === 'wants') this.onWants?.(message.images);
      this.#listener?.(message);
    });
  }

  /** The registration ids in images. @throws FleetFault IMAGE_UNUSABLE, SHARD_LOST */
  async prepare(images: readonly string[]): Promise<readonly string[]> {
    const answer = await this.#ask({ kind: 'prepare', images }, 'prepared');
    return answer.registrationIds;
  }

  /** Runs devices; resolves when each has been running or never will. @throws FleetFault SHARD_LOST */
  async run(order: ShardOrder): Promise<void> {
    await this.#ask({ kind: 'run', order }, 'settled');
  }

  tell(message: ToShard): void {
    if (this.#child.connected) this.#child.send(message);
  }

  /** Switches its devices off; resolves when the process is gone. {@link tally} is then what they were before. */
  async end(): Promise<void> {
    if (this.#ended) return;
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), 20_000);
    try {
      await this.#ask({ kind: 'end' }, 'ended');
      this.#child.disconnect();
      await this.#gone;
    } catch {
      // It is gone, one way or the other.
    } finally {
      clearTimeout(kill);
    }
  }

  #ask<Kind extends FromShard['kind']>(message: ToShard, wanted: Kind): Promise<Extract<FromShard, { kind: Kind }>> {
    const answer = new Promise<Extract<FromShard, { kind: Kind }>>((resolve, reject) => {
      this.#listener = (heard) => {
        if (heard.kind === 'fault') reject(new Fault(heard.code, heard.message));
        else if (heard.kind === wanted) resolve(heard as Extract<FromShard, { kind: Kind }>);
      };
    });
    this.tell(message);
    return Promise.race([answer, this.#gone]);
  }
}
