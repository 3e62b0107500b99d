import { EventEmitter } from 'node:events';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { type Entropy, systemEntropy } from '@zerotouch/foundation/entropy';
import { type Logger, pino } from 'pino';
import { keptOperator } from './api/arm/tokens.js';
import { Behaviours } from './behaviours/behaviours.js';
import { edgesOf } from './dps/edges.js';
import { DpsPark, type ProvisioningService } from './dps/park.js';
import { keepPolicies } from './dps/policies.js';
import { trustBundles } from './dps/trust-bundles.js';
import type { CloudEvents } from './events.js';
import { HubPark } from './hub/park.js';
import { Journal } from './journal.js';
import { type LimitValues, limitValues } from './limits.js';
import { hubAddress } from './linked-hubs.js';
import { type CloudOptions, type CloudSettings, DEFAULT_HUBS, type HubSpec } from './options.js';
import { DEFAULT_GROUP, type PrincipalRecord, type ServicePolicyRecord, type Store } from './store/store.js';
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
  park: HubPark;
  /** Every DPS; devices come in by it. */
  dps: DpsPark;
  /** The DPS that every cloud has. */
  first: ProvisioningService;
  /** Regions by the address that a device reaches there. */
  edges: ReadonlyMap<string, string>;
  /** The policy of the DPS service API that has every right. */
  owner: ServicePolicyRecord;
  /** Who may sign in to the resource manager. */
  operator: PrincipalRecord;
  limits: LimitValues;
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
  const made = await park.open(settings.hubs);
  const dps = new DpsPark({
    store,
    retryAfter: settings.retryAfterSeconds,
    hubs: park.running,
    clock,
    entropy,
    journal,
    limits,
    latencies: options.latencies ?? {},
    edges,
    webhook: { timeoutMs: settings.webhookTimeoutSeconds * 1000, ca: options.webhookCa },
    trustBundles: trustBundles(options.trustBundles ?? [], clock.now()),
    wrapForTpm: tpmWrapper(entropy),
    behaviours,
  });
  const [{ subscription, region } = DEFAULT_HUBS[0] as HubSpec] = settings.hubs;
  const first = await dps.start({ idScope: settings.idScope, subscription, region, resourceGroup: DEFAULT_GROUP });
  await first.links.linkOwn(made.map(hubAddress));
  const owner = await keepPolicies(options.policies ?? [], first.store, entropy);
  const operator = await keptOperator(store, entropy);
  return { store, clock, entropy, log, events, journal, behaviours, park, dps, first, edges, owner, operator, limits };
}
