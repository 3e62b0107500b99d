import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { CustomAllocationDefinition, InitialTwin } from '@zerotouch/azure-wire/enrolment';
import { dpsErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import { dpsChoices } from '../choices.js';
import { twinProblem } from '../hub/twin-limits.js';
import { nearestWords } from '../nearest.js';
import type { Reason } from '../reasons.js';
import type { Shown, Source } from './claim.js';
import type { Place } from './reprovision.js';

/** How webhooks are called. */
export interface WebhookSettings {
  /** Milliseconds until an answer must be there. */
  timeoutMs: number;
  /** PEM of a CA to trust besides the public ones, for a webhook in a test. */
  ca: string | undefined;
}

/** What a webhook is asked. */
export interface WebhookQuestion {
  source: Source;
  registrationId: string;
  /** Where the device is now. */
  previous: Place | undefined;
  /** What the device sent along. */
  payload: unknown;
  /** What it showed of itself. */
  shown: Shown;
  /** Host names to choose from. */
  linkedHubs: readonly string[];
}

/** What a webhook decided; `payload` goes to the device. */
export interface WebhookDecision {
  iotHubHostName: string;
  initialTwin?: InitialTwin;
  payload?: unknown;
}

/** Decided, or not: what is answered to the device, and why in truth. */
export type WebhookOutcome = { decision: WebhookDecision } | { failed: ServiceErrorEntry; reason: Reason };

/** Bytes of an answer that are read. */
const MAX_ANSWER_BYTES = 256 * 1024;

/**
 * The request to a webhook: the enrolment without secrets, and what is known of the device. Pure.
 * Source: iot-dps/concepts-custom-allocation, "Webhook request".
 */
export function webhookRequest({ source, registrationId, previous, payload, shown, linkedHubs }: WebhookQuestion): object {
  const record = withoutSecrets(source);
  const { type } = source.enrolment.attestation;
  const context = {
    registrationId,
    ...(previous === undefined ? {} : { currentIotHubHostName: previous.hub, currentDeviceId: previous.deviceId }),
    [type]: {},
    ...shown,
    ...(payload === undefined ? {} : { payload }),
  };
  const enrolment = source.kind === 'individual' ? { individualEnrollment: record } : { enrollmentGroup: record };
  return { ...enrolment, deviceRuntimeContext: context, linkedHubs: [...linkedHubs] };
}

/** A webhook's address without its function key. */
export function maskedUrl(url: string): string {
  return url.replace(/\?.*$/s, '?****');
}

/**
 * Asks a webhook, once. Source: iot-dps/concepts-custom-allocation; time-out and retries are not documented, see `dpsChoices`.
 * @param signal ends the call when the cloud closes
 */
export async function askWebhook(
  definition: CustomAllocationDefinition,
  question: WebhookQuestion,
  { timeoutMs, ca }: WebhookSettings,
  signal?: AbortSignal,
): Promise<WebhookOutcome> {
  const where = maskedUrl(definition.webhookUrl);
  const body = JSON.stringify(webhookRequest(question));
  const deadline = AbortSignal.timeout(timeoutMs);
  let answer: { status: number; text: string };
  try {
    answer = await post(definition.webhookUrl, body, ca, signal === undefined ? deadline : AbortSignal.any([deadline, signal]));
  } catch (error) {
    return deadline.aborted ? timedOut(where, timeoutMs) : unreachable(where, error);
  }
  const { status, text } = answer;
  if (status < 200 || status > 299) return refused(where, status);
  return judge(text, where, question.linkedHubs);
}

function judge(text: string, where: string, linkedHubs: readonly string[]): WebhookOutcome {
  const answer = parse(text);
  const expected = '{"iotHubHostName": HOST, "initialTwin": optional, "payload": optional}';
  if (!isJsonObject(answer)) return malformed(where, 'is no JSON object', text.slice(0, 80), expected);
  const { iotHubHostName, initialTwin, payload } = answer;
  if (typeof iotHubHostName !== 'string') {
    return malformed(where, 'names no iotHubHostName', Object.keys(answer).join(', ') || 'an empty object', expected);
  }
  const hub = iotHubHostName.toLowerCase();
  if (!linkedHubs.some((host) => host.toLowerCase() === hub)) {
    return {
      failed: dpsChoices.webhookForeignHub.value,
      reason: {
        rule: 'webhook-hub',
        text: `the webhook ${where} chose a hub that it was not offered`,
        seen: iotHubHostName,
        expected: `one of linkedHubs of the request: ${linkedHubs.join(', ')}`,
        nearest: nearestWords(hub, linkedHubs) ?? 'none',
        remedy: 'let the webhook choose from linkedHubs',
      },
    };
  }
  const flaw = initialTwin === undefined || initialTwin === null ? undefined : initialTwinFlaw(initialTwin);
  if (flaw !== undefined) return malformed(where, `has an initialTwin that no hub takes: ${flaw}`, 'initialTwin', expected);
  return {
    decision: {
      iotHubHostName: hub,
      ...(initialTwin === undefined || initialTwin === null ? {} : { initialTwin: initialTwin as InitialTwin }),
      ...(payload === undefined ? {} : { payload }),
    },
  };
}

function initialTwinFlaw(twin: unknown): string | undefined {
  if (!isJsonObject(twin)) return 'it is no JSON object';
  const { tags = {}, properties = {} } = twin;
  const desired = isJsonObject(properties) ? (properties.desired ?? {}) : undefined;
  if (!isJsonObject(tags) || !isJsonObject(desired)) return 'tags and properties.desired must be JSON objects';
  return twinProblem(tags, 'tags') ?? twinProblem(desired, 'desired');
}

function refused(where: string, status: number): WebhookOutcome {
  const failed = { ...dpsErrors.allocationWebhookFailed, message: `Custom allocation failed with status code: ${status}` };
  const remedy =
    status === 401 || status === 403
      ? 'put the function key into the webhookUrl (?code=..)'
      : "look into the webhook's own log; it must answer 2xx";
  return {
    failed,
    reason: {
      rule: 'webhook-status',
      text: `the webhook ${where} refused`,
      seen: `status ${status}`,
      expected: 'status 200',
      nearest: 'the same answer with status 200',
      remedy,
    },
  };
}

function timedOut(where: string, timeoutMs: number): WebhookOutcome {
  return {
    failed: dpsChoices.webhookNoAnswer.value,
    reason: {
      rule: 'webhook-timeout',
      text: `the webhook ${where} did not answer in time`,
      seen: `nothing within ${timeoutMs / 1000} s`,
      expected: `an answer within ${timeoutMs / 1000} s`,
      nearest: 'the same answer, sooner',
      remedy: 'make the webhook faster; a cold start may be at fault',
    },
  };
}

function unreachable(where: string, error: unknown): WebhookOutcome {
  const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown';
  return {
    failed: dpsChoices.webhookNoAnswer.value,
    reason: {
      rule: 'webhook-unreachable',
      text: `the webhook ${where} cannot be reached`,
      seen: code,
      expected: 'a server that answers there, with a certificate that is trusted',
      nearest: `a server at ${where}`,
      remedy: 'check the address; for a certificate of your own give its CA to the local cloud (option webhookCa)',
    },
  };
}

function malformed(where: string, what: string, seen: string, expected: string): WebhookOutcome {
  return {
    failed: dpsChoices.webhookBadAnswer.value,
    reason: {
      rule: 'webhook-answer',
      text: `the answer of the webhook ${where} ${what}`,
      seen,
      expected,
      nearest: 'the same answer in that form',
      remedy: 'answer as concepts-custom-allocation of the Azure documentation says',
    },
  };
}

function post(url: string, body: string, ca: string | undefined, signal: AbortSignal): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const target = new URL(url);
    const options = {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) },
      agent: false,
      signal,
    };
    const hear = (response: IncomingMessage): void => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= MAX_ANSWER_BYTES) chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
    };
    const sent =
      target.protocol === 'https:'
        ? requestHttps(target, { ...options, ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) }, hear)
        : requestHttp(target, options, hear);
    sent.on('error', reject);
    sent.end(body);
  });
}

// Keys of the enrolment and of the function never leave DPS.
function withoutSecrets({ enrolment }: Source): object {
  const { attestation, customAllocationDefinition, ...rest } = enrolment;
  const definition =
    customAllocationDefinition === undefined
      ? {}
      : {
          customAllocationDefinition: { ...customAllocationDefinition, webhookUrl: maskedUrl(customAllocationDefinition.webhookUrl) },
        };
  return {
    provisioningStatus: 'enabled',
    ...rest,
    ...definition,
    attestation: attestation.type === 'symmetricKey' ? { type: attestation.type, symmetricKey: {} } : attestation,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
