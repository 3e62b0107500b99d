import type { AllocationPolicy } from '@zerotouch/azure-wire/enrolment';

/** What an enrolment says of the hubs it wants. */
export interface Naming {
  allocationPolicy?: AllocationPolicy | undefined;
  iotHubs?: readonly string[] | undefined;
  iotHubHostName?: string | undefined;
}

/**
 * The hubs that an enrolment names, `undefined` where all linked ones serve. Pure. Source: DPS service API 2021-10-01, which still has
 * `iotHubHostName` beside `iotHubs`.
 */
export function namedHubs({ iotHubs, iotHubHostName }: Naming): readonly string[] | undefined {
  return iotHubs ?? (iotHubHostName === undefined ? undefined : [iotHubHostName]);
}

/** The policy of an enrolment itself; one that names its hub the old way is static without saying so. Pure. */
export function ownPolicy({ allocationPolicy, iotHubHostName }: Naming): AllocationPolicy | undefined {
  return allocationPolicy ?? (iotHubHostName === undefined ? undefined : 'static');
}
