import { errorBody, httpStatusOf } from '@zerotouch/azure-wire/errors';
import { GLOBAL_DPS_HOST } from '@zerotouch/azure-wire/ids';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { DpsReply } from '../dps/dps.js';
import type { Opened } from '../hub/hub.js';
import type { Journal } from '../journal.js';
import { guid } from '../unique.js';
import { type Behaviour, type DpsCall, Dropped, type HubCall, type Means } from './behaviour.js';

/** The behaviours of one cloud, plugged in and out while it runs; the one that came first stands nearest to the device. */
export class Behaviours {
  readonly clock: Clock;
  readonly #entropy: Entropy;
  readonly #active: Behaviour[];
  readonly #closing = new AbortController();

  /** @param clock the right time */
  constructor({ clock, entropy, active = [] }: { clock: Clock; entropy: Entropy; active?: readonly Behaviour[] }) {
    this.#entropy = entropy;
    this.#active = [...active];
    this.clock = {
      now: () => this.#active.reduce((now, behaviour) => behaviour.now?.(now) ?? now, clock.now()),
      monotonic: () => clock.monotonic(),
      wait: (ms, signal) => clock.wait(ms, signal),
    };
  }

  /** Plugs a behaviour in. @returns plugs it out when it is disposed of */
  use(behaviour: Behaviour): Disposable {
    this.#active.push(behaviour);
    return {
      [Symbol.dispose]: () => {
        const index = this.#active.indexOf(behaviour);
        if (index >= 0) this.#active.splice(index, 1);
      },
    };
  }

  /** Answers a call of DPS: the behaviours first, the service last. */
  dps(call: DpsCall, serve: () => Promise<DpsReply>, journal: Journal): Promise<DpsReply> {
    const means = this.#means(call, journal);
    return this.#about(call).reduceRight<() => Promise<DpsReply>>(
      (next, behaviour) => () => behaviour.dps?.(call, next, means) ?? next(),
      serve,
    )();
  }

  /** Answers a sign-in to a hub. */
  hub(call: HubCall, serve: () => Promise<Opened>): Promise<Opened> {
    const means = this.#means(undefined, undefined);
    return this.#about(call).reduceRight<() => Promise<Opened>>(
      (next, behaviour) => () => behaviour.hub?.(call, next, means) ?? next(),
      serve,
    )();
  }

  /** Ends every wait. */
  close(): void {
    this.#closing.abort();
  }

  #about(call: DpsCall | HubCall): Behaviour[] {
    return this.#active.filter((behaviour) => behaviour.concerns?.(call) ?? true);
  }

  #means(call: DpsCall | undefined, journal: Journal | undefined): Means {
    const { clock } = this;
    const entropy = this.#entropy;
    const drop = (cause: string): never => {
      throw new Dropped(cause);
    };
    return {
      clock,
      entropy,
      drop,
      wait: async (ms) => {
        try {
          await clock.wait(ms, this.#closing.signal);
        } catch {
          drop('the cloud closes');
        }
      },
      refuse: async (error, cause, retryAfter) => {
        const status = httpStatusOf(error.code);
        await journal?.attempt({
          service: 'dps',
          host: GLOBAL_DPS_HOST,
          transport: call?.transport ?? 'mqtt',
          id: call?.registrationId ?? '',
          outcome: 'refused',
          wire: { status, errorCode: error.code },
          reason: { rule: 'internal', text: cause, remedy: 'none: a behaviour of this cloud answered instead of the service' },
        });
        const body = errorBody(error, guid(entropy), clock.now());
        return { status, body, ...(retryAfter === undefined ? {} : { retryAfter }) };
      },
    };
  }
}
