import { dpsErrors, errorBody, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { AmqpError, Message } from 'rhea';
import { dpsChoices } from '../../choices.js';
import type { PresentedCertificate } from '../../credentials.js';
import type { Dps } from '../../dps/dps.js';
import type { Transport } from '../../reasons.js';
import { guid } from '../../unique.js';
import { formalRefusal, wireOf } from '../dps-refusal.js';
import { amqpError, readRequest, replyMessage } from './messages.js';
import type { SaslIdentity } from './sasl.js';

/** Who attaches links to which address, and what was proved before. */
export interface AmqpArrival {
  address: string;
  apiVersion: string | undefined;
  identity: SaslIdentity;
  certificate: PresentedCertificate | undefined;
  transport: Transport;
  /** The address of ours that was reached. */
  localAddress: string | undefined;
}

/** What becomes of a message: a reply on the other link, or its rejection. */
export type AmqpAnswer = { reply: Message } | { rejected: AmqpError };

/** A service behind a pair of links, or why there is none. */
export type AmqpService = { ask(message: Message): Promise<AmqpAnswer> } | { refused: AmqpError };

/** Hears of the first link of a connection. */
export type AmqpReceptionist = (arrival: AmqpArrival) => Promise<AmqpService>;

/** What DPS over AMQP is made of. */
export interface DpsAmqpParts {
  dps: Dps;
  clock: Clock;
  entropy: Entropy;
}

/** DPS over AMQP: messages in, replies out. Source: seen from Azure's clients. */
export function amqpReceptionist({ dps, clock, entropy }: DpsAmqpParts): AmqpReceptionist {
  const refusal = (error: ServiceErrorEntry) => amqpError(errorBody(error, guid(entropy), clock.now()));

  return async ({ address, apiVersion = dpsChoices.oldestApiVersion.value, identity, certificate, transport, localAddress }) => {
    const named = readAddress(address);
    if (named === undefined) return { refused: refusal(dpsErrors.enrolmentNotFound) };
    const { password, userName } = identity;
    // A token is bound to the name it was signed in with: the link must be for the same.
    const clientId = userName === undefined ? undefined : (readAddress(userName)?.registrationId ?? userName);
    const opened = await dps.open({ ...named, transport, apiVersion, clientId, password, certificate, localAddress }, ({ rule }) =>
      wireOf(formalRefusal(rule)),
    );
    if ('reason' in opened) return { refused: refusal(formalRefusal(opened.reason.rule)) };
    const { session } = opened;
    return {
      async ask(message) {
        const request = readRequest(message);
        if (request === undefined) return { rejected: refusal(dpsErrors.badRequest) };
        const reply = await (request.kind === 'register' ? session.register(request.body) : session.operation(request.operationId));
        return 'trackingId' in reply.body ? { rejected: amqpError(reply.body, reply.retryAfter) } : { reply: replyMessage(reply, message) };
      },
    };
  };
}

/** `{idScope}/registrations/{registrationId}`, with or without `amqps://{host}/` before it: clients send both. */
function readAddress(address: string): { idScope: string; registrationId: string } | undefined {
  const match = /^(?:amqps?:\/\/[^/]*\/)?([^/]+)\/registrations\/([^/]+)$/i.exec(address);
  const [, idScope, registrationId] = match ?? [];
  return idScope === undefined || registrationId === undefined ? undefined : { idScope, registrationId };
}
