import { timestampUtc } from '@zerotouch/azure-wire/errors';
import { hubLimits } from '@zerotouch/azure-wire/limits';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { deviceKey, type FeedbackRecord, type QueuedMessage, type QueueRecord, type Store } from '../store/store.js';
import { guid } from '../unique.js';
import type { Feedback } from './feedback.js';
import type { MessageSettings } from './message-settings.js';

/** A message to a device, as its sender hands it over. */
export interface OutgoingMessage {
  body: Uint8Array;
  /** System properties by their names in AMQP. */
  system: Readonly<Record<string, string>>;
  properties: Readonly<Record<string, string>>;
  ack?: QueuedMessage['ack'];
  /** Milliseconds since 1970; default: an hour from now. */
  expires?: number | undefined;
}

/** A message that a device holds, until it settles it or the lock ends. */
export interface LockedMessage {
  lockToken: string;
  message: QueuedMessage;
}

/** Why a message is not taken, in words for who sent it. */
export const messageProblems = {
  'no-device': 'the hub has no such device',
  'queue-full': 'fifty messages wait for the device: no more are kept',
  'too-large': 'the message is longer than 64 KB',
  expiry: 'the message expires in the past, or more than two days from now',
  'no-header':
    "a property holds what cannot be a header: names are ASCII letters, digits and ! # $ % & ' * + - . ^ _ ` | ~, values printable ASCII",
} as const;

/** Why a message is not taken. */
export type MessageProblem = keyof typeof messageProblems;

// Source: azure-docs, iot-hub-devguide-messages-construct; of the values it would have fewer, HTTPS carries these.
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
const HEADER_VALUE = /^[\x20-\x7e]*$/;

/** How a device is done with a message. */
export type Settlement = 'complete' | 'reject' | 'abandon' | 'release';

interface Lock {
  deviceId: string;
  sequence: number;
  /** Monotonic milliseconds. */
  until: number;
}

/** What the messages work with. */
export interface MessagesParts {
  hub: string;
  store: Store;
  clock: Clock;
  entropy: Entropy;
  feedback: Feedback;
  /** As they are now. */
  settings: () => MessageSettings;
}

/**
 * Cloud-to-device messages: kept for a device until it settles them, their time is over, or they were abandoned too often.
 * Source: hub/iot-hub-devguide-messages-c2d.
 */
export class Messages {
  readonly #parts: MessagesParts;
  /** By token. They end with the process: the messages are then there for the next who asks. */
  readonly #locks = new Map<string, Lock>();

  /** How many wait, by device. */
  readonly #depths = new Map<string, number>();

  constructor(parts: MessagesParts) {
    this.#parts = parts;
  }

  /** Learns what waits from the store. */
  async load(): Promise<void> {
    for (const { deviceId, messages } of await this.#parts.store.queues.list(this.#key(''))) this.#depths.set(deviceId, messages.length);
  }

  /** Puts a message into the queue of a device. @returns why it was not taken, or `undefined` */
  async send(deviceId: string, { body, system, properties, ack = 'none', expires }: OutgoingMessage): Promise<MessageProblem | undefined> {
    const { store, clock, settings } = this.#parts;
    const now = clock.now();
    const longest = now + hubLimits.messageLifetimeMs.value;
    if (expires !== undefined && !(expires > now && expires <= longest)) return 'expiry';
    // A device that asks over HTTPS gets them as headers: it could never be handed a message with others.
    if (!Object.keys(properties).every((name) => HEADER_NAME.test(name))) return 'no-header';
    if (![...Object.values(properties), ...Object.values(system)].every((value) => HEADER_VALUE.test(value))) return 'no-header';
    if (body.length > hubLimits.cloudToDeviceBytes.value) return 'too-large';
    if ((await store.devices.get(this.#key(deviceId))) === undefined) return 'no-device';
    await this.#expire(deviceId);
    let full = false;
    await this.#update(deviceId, (current) => {
      const { messages = [], nextSequence = 0 } = current ?? {};
      full = messages.length >= hubLimits.queuedMessages.value;
      if (full) return current;
      // Never one that was there before: a lock that outlived a purge must find nothing.
      const sequence = Math.max(nextSequence, now);
      const message: QueuedMessage = {
        sequence,
        enqueued: now,
        expires: expires ?? now + settings().lifetimeMs,
        deliveryCount: 0,
        ack,
        body: Buffer.from(body).toString('base64'),
        system,
        properties,
      };
      return { deviceId, nextSequence: sequence + 1, messages: [...messages, message] };
    });
    return full ? 'queue-full' : undefined;
  }

  /** Locks the oldest message that nobody holds. */
  async receive(deviceId: string): Promise<LockedMessage | undefined> {
    const { store, clock, entropy } = this.#parts;
    await this.#expire(deviceId);
    const queue = await store.queues.get(this.#key(deviceId));
    const held = this.#held(deviceId);
    const message = queue?.messages.find(({ sequence }) => !held.has(sequence));
    if (message === undefined) return undefined;
    const lockToken = guid(entropy);
    this.#locks.set(lockToken, { deviceId, sequence: message.sequence, until: clock.monotonic() + hubLimits.messageLockMs.value });
    return { lockToken, message };
  }

  /**
   * Takes a device's word on a message that it holds.
   * @param how complete: it is done; reject: nobody shall get it; abandon: again, and it counts; release: as if it had not been received
   * @returns whether the lock was still good
   */
  async settle(deviceId: string, lockToken: string, how: Settlement): Promise<boolean> {
    const lock = this.#locks.get(lockToken);
    if (lock === undefined || lock.deviceId !== deviceId) return false;
    this.#locks.delete(lockToken);
    if (this.#parts.clock.monotonic() >= lock.until) return false;
    if (how === 'release') return true;
    let outcome: FeedbackRecord['statusCode'] | undefined;
    const message = await this.#change(deviceId, lock.sequence, (found) => {
      const deliveryCount = found.deliveryCount + 1;
      const dead = deliveryCount >= this.#parts.settings().deliveryCount;
      outcome = outcomeOf(how, dead);
      return outcome === undefined ? { ...found, deliveryCount } : undefined;
    });
    if (message === undefined) return false;
    if (outcome !== undefined) await this.#tell(deviceId, message, outcome);
    return true;
  }

  /** How many wait for a device. */
  depth(deviceId: string): number {
    return this.#depths.get(deviceId) ?? 0;
  }

  /** Empties a device's queue. @returns how many there were */
  async purge(deviceId: string): Promise<number> {
    await this.#expire(deviceId);
    let purged: readonly QueuedMessage[] = [];
    await this.#update(deviceId, (current) => {
      purged = current?.messages ?? [];
      return undefined;
    });
    for (const message of purged) await this.#tell(deviceId, message, 'Purged');
    return purged.length;
  }

  /** Forgets the queue of a device that is gone. */
  async forget(deviceId: string): Promise<void> {
    this.#depths.delete(deviceId);
    await this.#parts.store.queues.delete(this.#key(deviceId));
  }

  /** Takes the messages out whose time is over, of every device: their senders may want to know. */
  async expireAll(): Promise<void> {
    for (const { deviceId } of await this.#parts.store.queues.list(this.#key(''))) await this.#expire(deviceId);
  }

  async #expire(deviceId: string): Promise<void> {
    const { store, clock } = this.#parts;
    const now = clock.now();
    const queue = await store.queues.get(this.#key(deviceId));
    if (queue === undefined || queue.messages.every(({ expires }) => expires > now)) return;
    const over: QueuedMessage[] = [];
    await this.#update(deviceId, (current) => {
      over.length = 0;
      if (current === undefined) return undefined;
      over.push(...current.messages.filter(({ expires }) => expires <= now));
      return remaining(current, ({ expires }) => expires > now);
    });
    for (const message of over) await this.#tell(deviceId, message, 'Expired');
  }

  async #change(
    deviceId: string,
    sequence: number,
    change: (message: QueuedMessage) => QueuedMessage | undefined,
  ): Promise<QueuedMessage | undefined> {
    let found: QueuedMessage | undefined;
    await this.#update(deviceId, (current) => {
      found = current?.messages.find((message) => message.sequence === sequence);
      if (current === undefined || found === undefined) return current;
      const next = change(found);
      if (next === undefined) return remaining(current, (message) => message.sequence !== sequence);
      return { ...current, messages: current.messages.map((message) => (message.sequence === sequence ? next : message)) };
    });
    return found;
  }

  async #update(deviceId: string, change: (current: QueueRecord | undefined) => QueueRecord | undefined): Promise<void> {
    const queue = await this.#parts.store.queues.update(this.#key(deviceId), change);
    if (queue === undefined) this.#depths.delete(deviceId);
    else this.#depths.set(deviceId, queue.messages.length);
  }

  async #tell(deviceId: string, { ack, system }: QueuedMessage, statusCode: FeedbackRecord['statusCode']): Promise<void> {
    const wanted = statusCode === 'Success' ? ack === 'positive' || ack === 'full' : ack === 'negative' || ack === 'full';
    if (!wanted) return;
    const { store, clock, feedback } = this.#parts;
    const device = await store.devices.get(this.#key(deviceId));
    await feedback.add({
      originalMessageId: system.message_id ?? '',
      enqueuedTimeUtc: timestampUtc(clock.now()),
      statusCode,
      description: statusCode,
      deviceId,
      deviceGenerationId: device?.generationId ?? '',
    });
  }

  #held(deviceId: string): Set<number> {
    const now = this.#parts.clock.monotonic();
    const held = new Set<number>();
    for (const [token, lock] of this.#locks) {
      if (now >= lock.until) this.#locks.delete(token);
      else if (lock.deviceId === deviceId) held.add(lock.sequence);
    }
    return held;
  }

  #key(deviceId: string): string {
    return deviceKey(this.#parts.hub, deviceId);
  }
}

function outcomeOf(how: Exclude<Settlement, 'release'>, dead: boolean): FeedbackRecord['statusCode'] | undefined {
  if (how === 'abandon') return dead ? 'DeliveryCountExceeded' : undefined;
  return how === 'complete' ? 'Success' : 'Rejected';
}

// A queue without messages is no record.
function remaining(queue: QueueRecord, keep: (message: QueuedMessage) => boolean): QueueRecord | undefined {
  const messages = queue.messages.filter(keep);
  return messages.length === 0 ? undefined : { ...queue, messages };
}
