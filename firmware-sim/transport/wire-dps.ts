import { buildDpsUserName, DPS_RESPONSE_FILTER, parseDpsResponse, registerTopic, statusTopic } from '@zerotouch/azure-wire/dps-mqtt';
import { parseJson } from '@zerotouch/azure-wire/json';
import type { DeviceRegistration } from '@zerotouch/azure-wire/registration';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { DpsOutcome, DpsPort, DpsProgress } from '../boot/ports.js';
import { dpsAddress } from './address.js';
import { invalid } from './evidence.js';
import { type PollAgain, readDpsReply } from './replies.js';
import { dpsToken } from './sign-in.js';
import type { WireTransportName } from './transport-names.js';
import { Line, type OpenLine, type WireLine } from './wire-line.js';

/** api-version of the registration this client speaks. */
const API_VERSION = '2021-06-01';
/** The one that takes a signing request. */
const ISSUING_API_VERSION = '2025-07-01-preview';
const FILTERS = [DPS_RESPONSE_FILTER];

/**
 * DPS over the lean client: one connection, one registration, polls as often as DPS says.
 * A 429 or 5xx ends the attempt: when to try again is the boot machine's to decide.
 */
export function createWireDps({
  clock,
  transport = 'mqtt',
  open = Line.open,
}: {
  clock: Clock;
  transport?: WireTransportName;
  open?: OpenLine;
}): DpsPort {
  return {
    async register({ identity, endpoint, payload, signingRequest }, progress, signal) {
      const { idScope, registrationId, attestation } = identity;
      if (attestation.kind === 'tpm') return invalid('DPS takes no TPM over MQTT: use the transport amqp, amqp-ws or http');
      const opened = await open(
        {
          ...endpoint,
          ...dpsAddress(endpoint, transport),
          transport,
          attestation,
          clientId: registrationId,
          username: buildDpsUserName({
            idScope,
            registrationId,
            apiVersion: signingRequest === undefined ? API_VERSION : ISSUING_API_VERSION,
          }),
          password: await dpsToken(identity, clock),
          filters: FILTERS,
        },
        clock,
        signal,
      );
      if (opened.outcome !== 'open') return opened;
      const { line } = opened;
      progress('connected');
      const outcome = await converse(line, registration(registrationId, payload, signingRequest), clock, progress, signal);
      await (signal.aborted ? line.cut() : line.close());
      return outcome;
    },
  };
}

function registration(registrationId: string, payload: JsonObject | undefined, signingRequest: Uint8Array | undefined): string {
  const body: DeviceRegistration = {
    registrationId,
    ...(payload === undefined ? {} : { payload }),
    ...(signingRequest === undefined ? {} : { csr: Buffer.from(signingRequest).toString('base64') }),
  };
  return JSON.stringify(body);
}

async function converse(
  line: WireLine,
  body: string,
  clock: Clock,
  progress: (sign: DpsProgress) => void,
  signal: AbortSignal,
): Promise<DpsOutcome> {
  const pending = new Map<string, (reply: PollAgain | DpsOutcome) => void>();
  line.onMessage((topic, payload) => {
    const response = parseDpsResponse(topic);
    if (response !== undefined) pending.get(response.rid)?.(readDpsReply(response.status, parseJson(payload), response.retryAfter));
  });
  const subscribed = await line.subscribe(FILTERS, signal);
  if (subscribed.outcome !== 'subscribed') return subscribed;

  let count = 0;
  const ask = (topic: (rid: string) => string, text: string): Promise<PollAgain | DpsOutcome> => {
    const rid = String(++count);
    return line.life.during<PollAgain | DpsOutcome>(signal, (answer) => {
      pending.set(rid, answer);
      line.publish(topic(rid), text, (failure) => failure !== undefined && answer(failure));
      return () => pending.delete(rid);
    });
  };

  let reply = await ask(registerTopic, body);
  while (reply.outcome === 'poll') {
    progress('assigning');
    const { operationId, afterMs } = reply;
    const failure = await line.life.pause(clock, afterMs, signal);
    if (failure !== undefined) return failure;
    progress('polling');
    reply = await ask((rid) => statusTopic(rid, operationId), '');
  }
  return reply;
}
