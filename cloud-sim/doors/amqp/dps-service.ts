import { dpsErrors, errorBody, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { AmqpError, Message } from 'rhea';
import { dpsChoices } from '../../choices.js';
import type { PresentedCertificate } from '../../credentials.js';
import type { Caller } from '../../dps/caller.js';
import type { Dps } from '../../dps/dps.js';
import type { DpsSession } from '../../dps/session.js';
import type { Transport } from '../../reasons.js';
import { guid } from '../../unique.js';
import { formalRefusal, wireOf } from '../dps-refusal.js';
import { pathOf } from './links.js';
import { amqpError, readRequest, replyMessage } from './messages.js';
import type { SaslIdentity } from './sasl.js';
import type { TpmArrival } from './sasl-tpm.js';

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

/** What a connection asks before anybody may speak. */
export interface AmqpReceptionist {
  /** Hears of the first link of a connection. */
  attach(arrival: AmqpArrival): Promise<AmqpService>;
  /** Challenges a TPM: the blob that it alone can unwrap, or `undefined` when it is refused. */
  challenge(arrival: TpmArrival, by: Pick<AmqpArrival, 'transport' | 'localAddress'>): Promise<Uint8Array | undefined>;
}

/** What DPS over AMQP is made of. */
export interface DpsAmqpParts {
  dps: Pick<Dps, 'open'>;
  clock: Clock;
  entropy: Entropy;
}

/** DPS over AMQP: messages in, replies out. Source: seen from Azure's clients. */
export function amqpReceptionist({ dps, clock, entropy }: DpsAmqpParts): AmqpReceptionist {
  const refusal = (error: ServiceErrorEntry) => amqpError(errorBody(error, guid(entropy), clock.now()));

  const judged = (caller: Caller) => dps.open(caller, ({ rule }) => wireOf(formalRefusal(rule)));

  return {
    async attach({ address, apiVersion = dpsChoices.oldestApiVersion.value, identity, certificate, transport, localAddress }) {
      const named = readAddress(address);
      if (named === undefined) return { refused: refusal(dpsErrors.enrolmentNotFound) };
      const { password, userName, tpm } = identity;
      // A token is bound to the name it was signed in with: the link must be for the same.
      const clientId = userName === undefined ? undefined : (readAddress(userName)?.registrationId ?? userName);
      const opened = await judged({
        ...named,
        transport,
        apiVersion,
        clientId,
        password,
        certificate,
        localAddress,
        ...(tpm === undefined ? {} : { tpm }),
      });
      return 'reason' in opened
        ? { refused: refusal(formalRefusal(opened.reason.rule)) }
        : { ask: (message) => ask(opened.session, message) };
    },

    async challenge({ idScope, registrationId, ...tpm }, by) {
      const apiVersion = dpsChoices.oldestApiVersion.value;
      const nothing = { clientId: undefined, password: undefined, certificate: undefined };
      const opened = await judged({ ...by, ...nothing, idScope, registrationId, apiVersion, tpm });
      if ('reason' in opened) return undefined;
      const challenged = await opened.session.challenge();
      return 'refusal' in challenged ? undefined : challenged.authenticationKey;
    },
  };

  async function ask(session: DpsSession, message: Message): Promise<AmqpAnswer> {
    const request = readRequest(message);
    if (request === undefined) return { rejected: refusal(dpsErrors.badRequest) };
    const reply = await (request.kind === 'register' ? session.register(request.body) : session.operation(request.operationId));
    return 'trackingId' in reply.body ? { rejected: amqpError(reply.body, reply.retryAfter) } : { reply: replyMessage(reply, message) };
  }
}

/** `{idScope}/registrations/{registrationId}`. */
function readAddress(address: string): { idScope: string; registrationId: string } | undefined {
  const match = /^([^/]+)\/registrations\/([^/]+)$/i.exec(pathOf(address));
  const [, idScope, registrationId] = match ?? [];
  return idScope === undefined || registrationId === undefined ? undefined : { idScope, registrationId };
}
