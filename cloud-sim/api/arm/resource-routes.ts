import type { DpsPark } from '../../dps/park.js';
import type { HubPark } from '../../hub/park.js';
import { managerError } from './errors.js';
import type { ResourceGroups } from './groups.js';
import { shownHubs } from './hub-shown.js';
import { pageOf } from './pages.js';
import { type ArmCall, type ArmRoute, sameName } from './route.js';
import { shownServices } from './services.js';

/** A resource of whatever type, as a list of all shows it. */
interface ShownResource {
  id: string;
  name: string;
  type: string;
  location: string;
  tags: Readonly<Record<string, string>>;
  sku: object;
}

/** What the lists are made of. */
export interface ResourceListParts {
  dps: DpsPark;
  park: HubPark;
  groups: ResourceGroups;
}

/** All resources of a subscription, and of a group. Source: Microsoft.Resources, Resources_List; what `az resource list` of 2.45 sends. */
export function resourceRoutes({ dps, park, groups }: ResourceListParts): ArmRoute[] {
  const found = async (call: ArmCall, path: string, group?: string) => {
    const all = [...(await shownServices(dps, call, group)), ...shownHubs(park, call, group)] as ShownResource[];
    const shown = all.map(({ id, name, type, location, tags, sku }) => ({ id, name, type, location, tags, sku }));
    return pageOf(shown.filter(filterOf(call.query.$filter)), path, call);
  };
  return [
    {
      method: 'GET',
      url: '/subscriptions/:subscription/resources',
      answer: (call) => found(call, `/subscriptions/${call.subscription}/resources`),
    },
    {
      method: 'GET',
      url: '/subscriptions/:subscription/resourceGroups/:group/resources',
      answer: async (call) => {
        const { name } = await groups.need(call.subscription, call.group);
        return found(call, `/subscriptions/${call.subscription}/resourceGroups/${name}/resources`, name);
      },
    },
  ];
}

const TERM = /^\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*$/i;

function filterOf(filter: string | undefined): (resource: ShownResource) => boolean {
  if (filter === undefined || filter.trim() === '') return () => true;
  const terms = filter.split(/\sand\s/i).map((term) => {
    const [, field = '', text = ''] = TERM.exec(term) ?? [];
    const value = text.replaceAll("''", "'");
    switch (field.toLowerCase()) {
      case 'name':
      case 'location':
        return (resource: ShownResource) => sameName(resource[field.toLowerCase() as 'name' | 'location'], value);
      case 'resourcetype':
        return ({ type }: ShownResource) => sameName(type, value);
      case 'resourcegroup':
        return ({ id }: ShownResource) => sameName(id.split('/')[4] ?? '', value);
      case 'tagname':
        return ({ tags }: ShownResource) => Object.keys(tags).some((name) => sameName(name, value));
      case 'tagvalue':
        return ({ tags }: ShownResource) => Object.values(tags).includes(value);
      default:
        throw managerError(
          400,
          'InvalidFilterInQueryString',
          `$filter can compare name, location, resourceType, resourceGroup, tagName and tagValue by eq and join them by and, not "${term.trim()}"`,
        );
    }
  });
  return (resource) => terms.every((holds) => holds(resource));
}
