import { dpsErrors } from '@zerotouch/azure-wire/errors';
import { z } from 'zod';
import type { Behaviour } from './behaviour.js';
import {
  type DpsErrorName,
  droppedAfterRegister,
  dropping,
  flaky,
  only,
  refuse,
  refuseAtHub,
  slow,
  throttled,
  times,
  wrongClock,
} from './library.js';

const share = z.number().min(0).max(1).describe('Of the calls, 0 to 1.');
const errorNames = Object.keys(dpsErrors) as [DpsErrorName, ...DpsErrorName[]];
const narrowed = {
  times: z.int().min(1).optional().describe('So many calls; later ones are served.'),
  only: z.string().min(1).optional().describe('One device, by its registration id.'),
};

/** A behaviour as the configuration file of a cloud says it. */
export const configuredBehaviour = z.discriminatedUnion('behaviour', [
  z.strictObject({ behaviour: z.literal('slow'), ms: z.number().positive(), ...narrowed }).describe('Each call takes so much longer.'),
  z
    .strictObject({ behaviour: z.literal('throttled'), retryAfterSeconds: z.number().min(0).optional(), ...narrowed })
    .describe('DPS answers 429.'),
  z.strictObject({ behaviour: z.literal('flaky'), share, ...narrowed }).describe('DPS answers 500, hubs drop who signs in.'),
  z.strictObject({ behaviour: z.literal('dropping'), share, ...narrowed }).describe('DPS and hubs lose connections.'),
  z.strictObject({ behaviour: z.literal('refuse'), error: z.enum(errorNames).optional(), ...narrowed }).describe('DPS says no.'),
  z.strictObject({ behaviour: z.literal('refuse-at-hub'), ...narrowed }).describe('Hubs do not know the device.'),
  z.strictObject({ behaviour: z.literal('dropped-after-register'), ...narrowed }).describe('Registered, and the answer is lost.'),
  z.strictObject({ behaviour: z.literal('wrong-clock'), aheadSeconds: z.number() }).describe("The cloud's clock is wrong."),
]);

/** The behaviour that a configuration file asks for. */
export function behaviourOf(said: z.infer<typeof configuredBehaviour>): Behaviour {
  if (said.behaviour === 'wrong-clock') return wrongClock({ aheadMs: said.aheadSeconds * 1000 });
  const whole = wholeBehaviour(said);
  const counted = said.times === undefined ? whole : times(said.times, whole);
  return said.only === undefined ? counted : only(said.only, counted);
}

function wholeBehaviour(said: Exclude<z.infer<typeof configuredBehaviour>, { behaviour: 'wrong-clock' }>): Behaviour {
  switch (said.behaviour) {
    case 'slow':
      return slow(said);
    case 'throttled':
      return throttled(said.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: said.retryAfterSeconds });
    case 'flaky':
      return flaky(said);
    case 'dropping':
      return dropping(said);
    case 'refuse':
      return refuse(said.error === undefined ? {} : { error: said.error });
    case 'refuse-at-hub':
      return refuseAtHub();
    case 'dropped-after-register':
      return droppedAfterRegister();
  }
}
