import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { CloudFault } from '../faults.js';
import type { LimitValues } from '../limits.js';
import { nearestOf } from '../nearest.js';
import type { Reason, WireAnswer } from '../reasons.js';
import { FIRST_SERVICE, forgetService, serviceStore } from '../store/service-store.js';
import { SERVICE_KEY, type ServiceRecord, type Store } from '../store/store.js';
import { etag, generatedKey } from '../unique.js';
import type { Caller } from './caller.js';
import { Dps, type DpsParts, type DpsSession } from './dps.js';
import { Enrolments } from './enrolments.js';
import { Issuance } from './issuance.js';
import { Links } from './links.js';
import { keepPolicies } from './policies.js';
import { Throttle } from './throttle.js';

/** Names that a DPS may have. Source: checkProvisioningServiceNameAvailability, and the host names that Azure makes of them. */
const NAME = /^[a-z0-9][a-z0-9-]{1,62}[a-z0-9]$/;
/** The host that devices of every DPS reach cannot be the service host of one. */
const RESERVED = ['global'];

/** What a new DPS is told. */
export type ServiceSpec = Pick<ServiceRecord, 'name' | 'region' | 'subscription' | 'resourceGroup'> &
  Partial<Pick<ServiceRecord, 'capacity' | 'tags' | 'idScope'>>;

/** One DPS that runs: what devices and operators meet. */
export interface ProvisioningService {
  readonly name: string;
  /** The part of the store that is its own. */
  readonly store: Store;
  readonly links: Links;
  readonly enrolments: Enrolments;
  readonly throttle: Throttle;
  readonly dps: Dps;
  /** As it is now. */
  record(): Promise<ServiceRecord>;
}

/** What every DPS of a cloud is made of. */
export interface DpsParkParts extends Omit<DpsParts, 'idScope' | 'store' | 'throttle' | 'challengeSecret' | 'issuance'> {
  store: Store;
  clock: Clock;
  entropy: Entropy;
  limits: LimitValues;
}

/** The DPS that run in this process: devices find theirs by its ID scope. */
export class DpsPark {
  readonly #parts: DpsParkParts;
  readonly #running = new Map<string, ProvisioningService>();
  /** By ID scope in lower case. */
  readonly #byScope = new Map<string, ProvisioningService>();

  constructor(parts: DpsParkParts) {
    this.#parts = parts;
  }

  /**
   * Opens what the store has; the first DPS is made when it is missing.
   * @param first what the first one is when it is made; its ID scope counts always
   */
  async start(first: Omit<ServiceSpec, 'name'> & { idScope: string }): Promise<ProvisioningService> {
    const { store } = this.#parts;
    const { idScope } = first;
    await this.#keep({ ...first, name: FIRST_SERVICE }, (current, fresh) => ({ ...fresh, ...current, idScope }));
    for (const { name } of await store.service.list()) await this.#run(name);
    return this.first;
  }

  /** The one that every cloud has. */
  get first(): ProvisioningService {
    const first = this.#running.get(FIRST_SERVICE);
    if (first === undefined) throw new Error('the park is not open');
    return first;
  }

  list(): ProvisioningService[] {
    return [...this.#running.values()];
  }

  /** @param name in any case */
  get(name: string): ProvisioningService | undefined {
    return this.#running.get(name.toLowerCase());
  }

  /** Why no DPS can have a name, or `undefined` when one can. */
  nameProblem(name: string): { taken: boolean; text: string } | undefined {
    const text = 'a DPS name has 3 to 64 letters, digits and dashes, and starts and ends with no dash';
    if (!NAME.test(name.toLowerCase())) return { taken: false, text };
    if (!RESERVED.includes(name.toLowerCase()) && this.get(name) === undefined) return undefined;
    return { taken: true, text: 'there is a DPS of this name: names are taken once in all of Azure' };
  }

  /**
   * Makes a DPS with an ID scope, an owner's policy and keys of its own.
   * @throws CloudFault BAD_OPTIONS, SERVICE_EXISTS
   */
  async create(spec: ServiceSpec): Promise<ProvisioningService> {
    const problem = this.nameProblem(spec.name);
    if (problem !== undefined) throw new CloudFault(problem.taken ? 'SERVICE_EXISTS' : 'BAD_OPTIONS', problem.text, { seen: spec.name });
    const { store, entropy } = this.#parts;
    const name = spec.name.toLowerCase();
    await this.#keep({ ...spec, name }, (current, fresh) => {
      if (current === undefined) return fresh;
      throw new CloudFault('SERVICE_EXISTS', 'there is a DPS of this name', { seen: name });
    });
    await keepPolicies([], serviceStore(store, name), entropy);
    return this.#run(name);
  }

  /**
   * Takes a DPS away with its enrolments and registrations; devices stay at their hubs.
   * @returns whether there was one
   * @throws CloudFault SERVICE_NEEDED for the first one
   */
  async remove(name: string): Promise<boolean> {
    const service = this.get(name);
    if (service === undefined) return false;
    if (service === this.first) {
      throw new CloudFault('SERVICE_NEEDED', 'this DPS is the one that the local cloud always has', {
        seen: name,
        remedy: 'delete its enrolments, or start a cloud without its data',
      });
    }
    const { idScope } = await service.record();
    this.#running.delete(service.name);
    this.#byScope.delete(idScope.toLowerCase());
    await service.dps.close();
    await this.#parts.store.together((tables) => forgetService(tables, service.name));
    return true;
  }

  /** Lets a device speak to the DPS of its ID scope; of an unknown scope the DPS whose scope is most like it tells what is wrong. */
  open(caller: Caller, wireOf: (reason: Reason) => WireAnswer): Promise<{ session: DpsSession } | { reason: Reason }> {
    const scope = caller.idScope.toLowerCase();
    const service = this.#byScope.get(scope) ?? this.#byScope.get(nearestOf(scope, this.#byScope.keys()) ?? '') ?? this.first;
    return service.dps.open(caller, wireOf);
  }

  /** Ends what is worked on. */
  async close(): Promise<void> {
    await Promise.all(this.list().map(({ dps }) => dps.close()));
  }

  async #keep(
    spec: ServiceSpec,
    change: (current: ServiceRecord | undefined, fresh: ServiceRecord) => ServiceRecord,
  ): Promise<ServiceRecord> {
    const { store, entropy } = this.#parts;
    const fresh: ServiceRecord = {
      capacity: 1,
      idScope: this.#freshScope(),
      ...spec,
      allocationPolicy: 'hashed',
      challengeSecret: generatedKey(entropy),
      etag: etag(entropy),
    };
    return serviceStore(store, spec.name).service.update(SERVICE_KEY, (current) => change(current, fresh));
  }

  async #run(name: string): Promise<ProvisioningService> {
    const { store: all, ...common } = this.#parts;
    const { clock, entropy, limits } = common;
    const store = serviceStore(all, name);
    const record = async (): Promise<ServiceRecord> => {
      const found = await store.service.get(SERVICE_KEY);
      if (found === undefined) throw new CloudFault('UNKNOWN_SERVICE', 'there is no such DPS any more', { seen: name });
      return found;
    };
    const { idScope, challengeSecret } = await record();
    const throttle = new Throttle({ limits, clock });
    const service: ProvisioningService = {
      name,
      store,
      record,
      throttle,
      links: new Links({ store, limits }),
      enrolments: new Enrolments({ store, clock, entropy, limits }),
      dps: new Dps({
        ...common,
        idScope,
        store,
        throttle,
        challengeSecret: Buffer.from(challengeSecret, 'base64'),
        issuance: new Issuance({ store, clock, entropy }),
      }),
    };
    this.#running.set(name, service);
    this.#byScope.set(idScope.toLowerCase(), service);
    return service;
  }

  /** In the form of Azure's own: `0ne` and eight digits. */
  #freshScope(): string {
    let scope: string;
    do scope = `0ne${this.#parts.entropy.bytes(4).toString('hex').toUpperCase()}`;
    while (this.#byScope.has(scope.toLowerCase()));
    return scope;
  }
}
