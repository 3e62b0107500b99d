import type { Entropy } from '@zerotouch/foundation/entropy';
import { Links, readHubConnectionString } from '../../dps/links.js';
import type { ProvisioningService } from '../../dps/park.js';
import { replacePolicies } from '../../dps/policies.js';
import { CloudFault } from '../../faults.js';
import type { LimitValues } from '../../limits.js';
import { SERVICE_KEY, type ServiceRecord, type Tables } from '../../store/store.js';
import { bareEtag, resourceEtag } from '../../unique.js';
import { badRequest } from './errors.js';
import type { WantedLink, WantedService } from './service-body.js';

/** What changing a DPS works with. */
export interface ServiceChangeParts {
  entropy: Entropy;
  limits: LimitValues;
}

/**
 * Makes a DPS what a PUT asks for: all of it, or nothing. What the body leaves out of linked hubs is unlinked; a linked hub whose key comes back
 * masked, as GET shows it, keeps its key.
 * @throws CloudFault ETAG_MISMATCH, BAD_LINK, UNKNOWN_HUB, LIMIT_REACHED, BAD_OPTIONS; ArmError 400
 */
export async function changeService(
  service: ProvisioningService,
  wanted: WantedService,
  parts: ServiceChangeParts,
): Promise<ServiceRecord> {
  return service.store.together(async (own) => {
    const record = await changeRecord(own, service.name, wanted, resourceEtag(parts.entropy));
    await changeLinks(own, wanted.links, parts.limits);
    if (wanted.policies !== undefined) await replacePolicies(wanted.policies, own, parts.entropy);
    return record;
  });
}

async function changeRecord({ service }: Tables, name: string, wanted: WantedService, fresh: string): Promise<ServiceRecord> {
  const { etag, tags, capacity, allocationPolicy } = wanted;
  const changed = await service.update(SERVICE_KEY, (current) => {
    if (current === undefined) throw new CloudFault('UNKNOWN_SERVICE', 'there is no such DPS any more', { seen: name });
    if (etag !== undefined && etag !== '*' && bareEtag(etag) !== bareEtag(current.etag ?? '')) {
      throw new CloudFault('ETAG_MISMATCH', 'the DPS has changed since it was read', {
        where: name,
        seen: etag,
        expected: current.etag ?? 'none',
        remedy: 'read it again',
      });
    }
    const { tags: _, ...rest } = current;
    return {
      ...rest,
      ...(tags === undefined ? {} : { tags }),
      capacity: capacity ?? current.capacity,
      allocationPolicy: allocationPolicy ?? current.allocationPolicy,
      etag: fresh,
    };
  });
  return changed;
}

async function changeLinks(own: Tables, wanted: readonly WantedLink[], limits: LimitValues): Promise<void> {
  const links = new Links({ store: own, limits });
  const read = wanted.map((link) => ({ ...readHubConnectionString(link.connectionString), link }));
  const hosts = read.map(({ host }) => host);
  const twice = hosts.find((host, index) => hosts.indexOf(host) !== index);
  if (twice !== undefined) throw badRequest(`properties.iotHubs hold ${twice} twice`);
  // First, so that one hub can take the place of another where no more can be linked.
  for (const { host } of await links.list()) if (!hosts.includes(host)) await links.unlink(host);
  for (const { host, keyName, key, link } of read) {
    const { allocationWeight: weight, applyAllocationPolicy: apply, connectionString } = link;
    const settings = {
      ...(weight == null ? {} : { allocationWeight: weight }),
      ...(apply == null ? {} : { applyAllocationPolicy: apply }),
    };
    const known = await own.links.get(host);
    if (!isMasked(key)) await links.link(connectionString, settings);
    else if (known?.keyName === keyName) await links.update(host, settings);
    else {
      throw badRequest(
        `the key of ${host}, policy ${JSON.stringify(keyName)}, is masked, and no link to that hub by that policy is kept: give the connection string with its key`,
      );
    }
  }
}

function isMasked(key: string): boolean {
  return /^\*+$/.test(key);
}
