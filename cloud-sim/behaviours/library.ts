import { dpsErrors } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Behaviour, DpsCall, HubCall } from './behaviour.js';

/** Everything takes longer: each call of DPS and each sign-in to a hub. */
export function slow({ ms }: { ms: number }): Behaviour {
  return {
    name: `slow (${ms} ms)`,
    async dps(_, next, { wait }) {
      await wait(ms);
      return next();
    },
    async hub(_, next, { wait }) {
      await wait(ms);
      return next();
    },
  };
}

/** DPS answers 429. @param retryAfterSeconds what it tells the device to wait; left out, the answer says nothing of it */
export function throttled({ retryAfterSeconds }: { retryAfterSeconds?: number } = {}): Behaviour {
  return {
    name: 'throttled',
    dps: (_, __, { refuse }) => refuse(dpsErrors.throttled, 'the behaviour "throttled" answered', retryAfterSeconds),
  };
}

/** Every now and then DPS answers 500, and a hub drops who signs in. @param share of the calls that fail, 0 to 1 */
export function flaky({ share }: { share: number }): Behaviour {
  return {
    name: `flaky (${share})`,
    async dps(_, next, { entropy, refuse }) {
      return entropy.unit() < share ? refuse(dpsErrors.internal, 'the behaviour "flaky" answered') : next();
    },
    async hub(_, next, { entropy, drop }) {
      return entropy.unit() < share ? drop('the behaviour "flaky" dropped the connection') : next();
    },
  };
}

/** Connections are lost: when a device registers, and when it signs in to a hub. @param share of them that are lost, 0 to 1 */
export function dropping({ share }: { share: number }): Behaviour {
  const cause = 'the behaviour "dropping" dropped the connection';
  return {
    name: `dropping (${share})`,
    concerns: (call) => call.service === 'hub' || isRegister(call),
    async dps(_, next, { entropy, drop }) {
      return entropy.unit() < share ? drop(cause) : next();
    },
    async hub(_, next, { entropy, drop }) {
      return entropy.unit() < share ? drop(cause) : next();
    },
  };
}

/** The cloud's clock is wrong: ahead of the device's, or behind it with a negative number. */
export function wrongClock({ aheadMs }: { aheadMs: number }): Behaviour {
  return { name: `wrongClock (${aheadMs} ms)`, now: (rightNow) => rightNow + aheadMs };
}

/** DPS registers the device, and the connection is lost before the answer: what a device makes of it is its own affair. */
export function droppedAfterRegister(): Behaviour {
  return {
    name: 'droppedAfterRegister',
    concerns: isRegister,
    async dps(_, next, { drop }) {
      await next();
      return drop('the behaviour "droppedAfterRegister" dropped the connection');
    },
  };
}

/** What {@link refuse} says no with: a name of the catalogue of DPS errors, such as `unauthorized` or `enrolmentNotFound`. */
export type DpsErrorName = keyof typeof dpsErrors;

/** DPS says no to whoever registers. */
export function refuse({ error = 'unauthorized' }: { error?: DpsErrorName } = {}): Behaviour {
  return {
    name: `refuse (${error})`,
    concerns: isRegister,
    dps: (_, __, means) => means.refuse(dpsErrors[error], 'the behaviour "refuse" answered'),
  };
}

/** The hub keeps out whoever signs in, as if it did not know the device. */
export function refuseAtHub(): Behaviour {
  return {
    name: 'refuseAtHub',
    hub: async () => ({
      reason: {
        rule: 'hub-stranger',
        text: 'the behaviour "refuseAtHub" answered',
        remedy: 'none: a behaviour of this cloud answered instead of the hub',
      },
    }),
  };
}

/** A behaviour for so many of the calls that it concerns; later ones are served as if it were not there. */
export function times(count: number, { dps, hub, ...behaviour }: Behaviour): Behaviour {
  let left = count;
  const isOver = (): boolean => left-- <= 0;
  return {
    ...behaviour,
    name: `${behaviour.name}, ${count} times`,
    ...(dps === undefined ? {} : { dps: (call, next, means) => (isOver() ? next() : dps(call, next, means)) }),
    ...(hub === undefined ? {} : { hub: (call, next, means) => (isOver() ? next() : hub(call, next, means)) }),
  };
}

/** A behaviour for one device or some, by registration id at DPS and device id at a hub; case does not matter to a text. */
export function only(who: string | RegExp, behaviour: Behaviour): Behaviour {
  const isMeant = (id: string): boolean =>
    typeof who === 'string'
      ? canonicalRegistrationId(who) === canonicalRegistrationId(id)
      : new RegExp(who.source, who.flags.replace(/[gy]/g, '')).test(id);
  return {
    ...behaviour,
    name: `${behaviour.name}, only ${String(who)}`,
    concerns: (call) => isMeant(call.service === 'dps' ? call.registrationId : call.deviceId) && (behaviour.concerns?.(call) ?? true),
  };
}

function isRegister(call: DpsCall | HubCall): boolean {
  return call.service === 'dps' && call.kind === 'register';
}
