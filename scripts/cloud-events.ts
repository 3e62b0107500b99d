import type { EventEmitter } from 'node:events';
import type { CloudEvents } from '@zerotouch/cloud-sim/events';
import type { Attempt, WireAnswer } from '@zerotouch/cloud-sim/reasons';
import type { Output } from '@zerotouch/foundation/command/output';

/** How often each thing happened since the cloud was ready. */
export type CloudCounts = Record<keyof CloudEvents, number>;

/**
 * Tells every event of a cloud as it happens: `{"event": NAME, ...}` to programs, one line to people.
 * @returns counts that go on rising
 */
export function tellEvents(events: EventEmitter<CloudEvents>, output: Output): CloudCounts {
  const counts: CloudCounts = { registered: 0, refused: 0, connected: 0, disconnected: 0, telemetry: 0, reported: 0 };
  const tell = (event: keyof CloudEvents, details: object, words: string): void => {
    counts[event] += 1;
    output.event({ event, ...details }, words);
  };
  events.on('registered', (event) => {
    const { registrationId, hub, substatus, enrolment } = event;
    tell('registered', event, `registered    ${registrationId} -> ${hub} (${substatus}; ${enrolment.kind} ${enrolment.id})`);
  });
  events.on('refused', (attempt) => tell('refused', attempt, refusal(attempt)));
  events.on('connected', (event) => tell('connected', event, `connected     ${event.deviceId} at ${event.hub}`));
  events.on('disconnected', (event) => tell('disconnected', event, `disconnected  ${event.deviceId} at ${event.hub}: ${event.cause}`));
  events.on('reported', (event) => tell('reported', event, `reported      ${event.deviceId} version ${event.version}`));
  events.on('telemetry', (event) => {
    const body = event.body.toString('utf8');
    tell('telemetry', { ...event, body }, `telemetry     ${event.deviceId} ${event.body.length} bytes`);
  });
  return counts;
}

function refusal({ id, host, wire, reason }: Attempt): string {
  const parts = [`refused       ${id} by ${host} (${answer(wire)}): ${reason.text}`];
  if (reason.seen !== undefined) parts.push(`seen ${reason.seen}`);
  if (reason.expected !== undefined) parts.push(`expected ${reason.expected}`);
  if (reason.remedy !== undefined) parts.push(reason.remedy);
  return parts.join('; ');
}

function answer(wire: WireAnswer): string {
  if ('connack' in wire) return `CONNACK ${wire.connack}`;
  return wire.errorCode === undefined ? `${wire.status}` : `${wire.errorCode}`;
}
