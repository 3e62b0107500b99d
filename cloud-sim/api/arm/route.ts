import type { HTTPMethods } from 'fastify';

/** A call of the resource manager, taken apart. Names are as the caller wrote them: they ignore case. */
export interface ArmCall {
  subscription: string;
  group: string;
  /** Of the resource. */
  name: string;
  /** Of what is in the resource: a policy, a certificate, an operation. */
  part: string;
  body: unknown;
  /** As sent: a date, perhaps with `-preview`. */
  apiVersion: string;
  /** Header If-Match. */
  ifMatch: string | undefined;
  /** Where the caller reached us: `https://localhost:8443`. */
  origin: string;
  query: Readonly<Record<string, string>>;
}

/** What is answered; status 200 unless another is named. */
export interface ArmAnswer {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}

/** One thing that the resource manager does. `:subscription`, `:group`, `:name` and `:part` of the URL come with the call. */
export interface ArmRoute {
  method: HTTPMethods;
  url: string;
  answer(call: ArmCall): Promise<ArmAnswer>;
}

/** The provider of both kinds of resource. */
export const PROVIDER = 'Microsoft.Devices';

/** URL of a subscription's resources of one type, and of a group's. */
export function collectionUrls(type: string): { ofSubscription: string; ofGroup: string } {
  const tail = `/providers/${PROVIDER}/${type}`;
  return { ofSubscription: `/subscriptions/:subscription${tail}`, ofGroup: `/subscriptions/:subscription/resourceGroups/:group${tail}` };
}

/** Id of a resource. */
export function resourceId(
  { subscription, resourceGroup }: { subscription: string; resourceGroup: string },
  type: string,
  name: string,
): string {
  return `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/${PROVIDER}/${type}/${name}`;
}

/** Whether two names are one to the resource manager. */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
