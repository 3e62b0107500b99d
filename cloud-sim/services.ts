import { EventEmitter } from 'node:events';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { type Entropy, systemEntropy } from '@zerotouch/foundation/entropy';
import { type Logger, pino } from 'pino';
import { keepPolicies } from './api/service/policies.js';
import { Behaviours } from './behaviours/behaviours.js';
import { Dps } from './dps/dps.js';
import { edgesOf } from './dps/edges.js';
import { Enrolments } from './dps/enrolments.js';
import { Issuance } from './dps/issuance.js';
import { Links } from './dps/links.js';
import { Throttle } from './dps/throttle.js';
import { trustBundles } from './dps/trust-bundles.js';
import type { CloudEvents } from './events.js';
import { HubPark } from './hub/park.js';
import { Journal } from './journal.js';
import { limitValues } from './limits.js';
import { hubAddress } from './linked-hubs.js';
import type { CloudOptions, CloudSettings } from './options.js';
import type { ServicePolicyRecord, Store } from './store/store.js';
import { tpmWrapper } from './tpm/wrap.js';

/** What a cloud knows and decides: all that is behind its doors. */
export interface Services {
  store: Store;
  /** As the behaviours have it. */
  clock: Clock;
  entropy: Entropy;
  log: Logger;
  events: EventEmitter<CloudEvents>;
  journal: Journal;
  behaviours: Behaviours;
  throttle: Throttle;
  park: HubPark;
  links: Links;
  enrolments: Enrolments;
  dps: Dps;
  /** Regions by the address that a device reaches there. */
  edges: ReadonlyMap<string, string>;
  /** The policy of the DPS service API that has every right. */
  owner: ServicePolicyRecord;
}

/**
 * Makes the services over a store, and in it what a new cloud has: hubs, links, policies.
 * @throws CloudFault BAD_OPTIONS, STORE_UNUSABLE
 */
export async function makeServices(store: Store, options: CloudOptions, settings: CloudSettings): Promise<Services> {
  const { entropy = systemEntropy, log = pino({ level: 'silent' }) } = options;
  const limits = limitValues(options.limits);
  const edges = edgesOf(options.regions);
  const behaviours = new Behaviours({ clock: options.clock ?? systemClock, entropy, active: options.behaviours ?? [] });
  const { clock } = behaviours;
  const events = new EventEmitter<CloudEvents>();
  const journal = new Journal({ attempts: store.attempts, events, clock, log });
  const park = new HubPark({ store, clock, entropy, journal, limits, behaviours });
  const links = new Links({ store, entropy, limits });
  await links.linkOwn((await park.open(settings.hubs)).map(hubAddress));
  const throttle = new Throttle({ limits, clock });
  const dps = new Dps({
    idScope: settings.idScope,
    retryAfter: settings.retryAfterSeconds,
    store,
    hubs: park.running,
    clock,
    entropy,
    journal,
    limits,
    throttle,
    latencies: options.latencies ?? {},
    edges,
    webhook: { timeoutMs: settings.webhookTimeoutSeconds * 1000, ca: options.webhookCa },
    challengeSecret: await links.challengeSecret(),
    issuance: new Issuance({ store, clock, entropy }),
    trustBundles: trustBundles(options.trustBundles ?? [], clock.now()),
    wrapForTpm: tpmWrapper(entropy),
    behaviours,
  });
  const enrolments = new Enrolments({ store, clock, entropy, limits });
  const owner = await keepPolicies(options.policies ?? [], store, entropy);
  return { store, clock, entropy, log, events, journal, behaviours, throttle, park, links, enrolments, dps, edges, owner };
}
