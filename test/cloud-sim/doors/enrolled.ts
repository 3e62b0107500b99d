import { buildSas, dpsResource } from '@zerotouch/azure-wire/sas';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { makeAuthority, prove } from '../certificates.js';
import { derived, key, keyGroup } from '../clouds.js';

/** The CA of the group by certificate that {@link enrolled} makes, and the key of its group by key. */
export const line = await makeAuthority('Line 7');
export const groupKey = key('group');

/** Makes a group by key and one by certificate. @returns the cloud */
export async function enrolled(cloud: Cloud): Promise<Cloud> {
  await keyGroup(cloud, 'keys', groupKey);
  await cloud.enrolments.putCertificate(await prove('line-7', line));
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'line-7',
    attestation: { type: 'x509', x509: { caReferences: { primary: 'line-7' } } },
  });
  return cloud;
}

/** The token of a device of the group by key. */
export function token(cloud: Cloud, id: string): string {
  const resource = dpsResource(cloud.dps.idScope, id);
  return buildSas({ resource, key: Buffer.from(derived(groupKey, id), 'base64'), expiry: 4_000_000_000, keyName: 'registration' });
}
