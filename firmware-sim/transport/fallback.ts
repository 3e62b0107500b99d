import type { Clock } from '@zerotouch/foundation/clock';
import type { DpsPort, Endpoint, Failure, HubPort } from '../boot/ports.js';
import type { CloudPorts } from './clients.js';
import { isTimeKnown } from './time-known.js';

/** How long a way may take to let a connection through before the other one is tried, milliseconds. */
const CONNECT_MS = 20_000;
/** How long it is remembered that a network lets nothing through on port 8883, milliseconds: a week, for devices move. */
const REMEMBERED_MS = 7 * 24 * 60 * 60_000;

/** What a device remembers of the network that it is in, across boots. */
export interface RouteMemory {
  /** Until when the WebSocket comes first, milliseconds since 1970; 0: until it fails. `undefined`: nothing is known against port 8883. */
  webSocketUntil(): number | undefined;
  /** @throws Fault when the flash refuses the write */
  keepWebSocket(until: number): void;
  /** @throws Fault when the flash refuses the write */
  forgetWebSocket(): void;
}

/** The two ways to speak MQTT, and where it is kept which one the network lets through. */
export interface FallbackParts {
  /** MQTT over TLS, port 8883. */
  readonly direct: CloudPorts;
  /** MQTT over WebSocket, port 443. */
  readonly webSocket: CloudPorts;
  readonly clock: Clock;
  readonly memory: () => RouteMemory | undefined;
}

/**
 * MQTT by port 8883, and by port 443 where a network lets nothing through on the first: both are tried in one attempt, and the one that got
 * through comes first from then on. That is kept in flash, written when it changes and not before: so a device in such a network boots as fast as
 * in any other. It is forgotten after a week, or when port 443 fails and the other works.
 */
export function withFallback(parts: FallbackParts): CloudPorts {
  const { direct, webSocket } = parts;
  const dps: DpsPort = {
    register(request, progress, signal) {
      return either(parts, request.endpoint, signal, async (way, limited) => {
        let through = false;
        const sign: typeof progress = (told) => {
          through = true;
          limited.lift();
          progress(told);
        };
        const outcome = await way.dps.register(request, sign, limited.signal);
        // A firewall may as well reset what it does not let through.
        return { outcome, blocked: !through && (isSilence(outcome.outcome) || outcome.outcome === 'dropped') };
      });
    },
  };
  const hub: HubPort = {
    connect(request, signal) {
      return either(parts, request.endpoint, signal, async (way, limited) => {
        const outcome = await way.hub.connect(request, limited.signal);
        return { outcome, blocked: isSilence(outcome.outcome) };
      });
    },
  };
  return { dps, hub };

  async function either<T extends { readonly outcome: string; readonly detail?: string }>(
    { clock }: FallbackParts,
    endpoint: Endpoint,
    signal: AbortSignal,
    attempt: (way: CloudPorts, limit: Limit) => Promise<{ outcome: T | Failure; blocked: boolean }>,
  ): Promise<T | Failure> {
    const webSocketFirst = prefersWebSocket(parts);
    const [one, two] = webSocketFirst ? [webSocket, direct] : [direct, webSocket];
    // Somebody else's gateway need not have another port.
    if (endpoint.gateway !== undefined && endpoint.ports?.https === undefined) return (await attempt(direct, new Limit(signal))).outcome;
    using limit = new Limit(signal, clock);
    const first = await attempt(one, limit);
    if (!first.blocked || signal.aborted) return first.outcome;
    const second = await attempt(two, new Limit(signal));
    if (second.blocked) {
      const [by8883, by443] = webSocketFirst ? [second, first] : [first, second];
      return { ...(by8883.outcome as Failure), detail: `${by8883.outcome.detail}; by port 443: ${by443.outcome.detail}` };
    }
    remember(parts, !webSocketFirst);
    return second.outcome;
  }
}

function prefersWebSocket({ memory, clock }: FallbackParts): boolean {
  const until = memory()?.webSocketUntil();
  if (until === undefined) return false;
  return until === 0 || !isTimeKnown(clock) || clock.now() < until;
}

/** What cannot be kept is learned again at the next boot. */
function remember({ memory, clock }: FallbackParts, webSocket: boolean): void {
  try {
    if (webSocket) memory()?.keepWebSocket(isTimeKnown(clock) ? clock.now() + REMEMBERED_MS : 0);
    else memory()?.forgetWebSocket();
  } catch {
    // The flash tells its troubles wherever it matters.
  }
}

/** Words for "nothing came through". */
function isSilence(outcome: string): boolean {
  return outcome === 'unreachable' || outcome === 'timed-out';
}

/** A signal that is aborted with another one, or after a while, unless that is lifted. */
class Limit implements Disposable {
  readonly #controller = new AbortController();
  readonly #over = new AbortController();
  readonly #parent: AbortSignal;

  /** @param clock absent: there is no limit */
  constructor(parent: AbortSignal, clock?: Clock) {
    this.#parent = parent;
    if (parent.aborted) this.#end();
    else parent.addEventListener('abort', this.#end, { once: true });
    clock?.wait(CONNECT_MS, this.#over.signal).then(this.#end, () => undefined);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came through: take all the time there is. */
  lift(): void {
    this.#over.abort();
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    this.#parent.removeEventListener('abort', this.#end);
  }

  readonly #end = (): void => this.#controller.abort();
}
