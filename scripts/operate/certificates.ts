import { readFile } from 'node:fs/promises';
import { Fault } from '@zerotouch/foundation/fault';
import type { Kind, LocalCloud, Resource } from './local-cloud.js';
import type { Call } from './rest.js';
import { shownCertificate } from './shapes.js';

interface CertificateOptions {
  dpsName?: string;
  hubName?: string;
  resourceGroup?: string;
  certificateName: string;
  path: string;
  etag: string;
  verified?: boolean;
}

/** CA certificates of a DPS or a hub, and the proof that their key is ours. */
export function certificatesOf(kind: Kind) {
  const owner = (cloud: LocalCloud, { dpsName, hubName, resourceGroup }: CertificateOptions): Promise<Resource> =>
    cloud.find(kind, kind === 'dps' ? dpsName : hubName, resourceGroup);

  const at = async (cloud: LocalCloud, given: CertificateOptions, action: string, call: Omit<Call, 'path'>) => {
    const { id, resourcegroup } = await owner(cloud, given);
    const answer = await cloud.manage(kind, `${id}/certificates/${encodeURIComponent(given.certificateName)}${action}`, call);
    return answer === undefined ? undefined : shownCertificate(answer, resourcegroup);
  };

  const upload = async (cloud: LocalCloud, given: CertificateOptions, headers: Record<string, string>) => {
    const { path, verified } = given;
    const body = { properties: { certificate: await certificateIn(path), ...(verified === undefined ? {} : { isVerified: verified }) } };
    return at(cloud, given, '', { method: 'PUT', headers, body });
  };

  const list = async (cloud: LocalCloud, given: CertificateOptions) => {
    const { id, resourcegroup } = await owner(cloud, given);
    const { value } = (await cloud.manage(kind, `${id}/certificates`)) as { value: Pick<Resource, 'name'>[] };
    return { value: value.map((one) => ({ name: one.name, ...shownCertificate(one, resourcegroup) })) };
  };

  return {
    list,
    show: (cloud: LocalCloud, given: CertificateOptions) => at(cloud, given, '', {}),
    create: async (cloud: LocalCloud, given: CertificateOptions) => {
      const { value } = await list(cloud, given);
      if (!value.some(({ name }) => name === given.certificateName)) return upload(cloud, given, {});
      throw new Fault('NAME_TAKEN', 'there is a certificate of this name already', {
        where: '--name',
        seen: given.certificateName,
        remedy: `zerotouch ${kind} certificate update changes it`,
      });
    },
    update: (cloud: LocalCloud, given: CertificateOptions) => upload(cloud, given, { 'if-match': given.etag }),
    delete: (cloud: LocalCloud, given: CertificateOptions) =>
      at(cloud, given, '', { method: 'DELETE', headers: { 'if-match': given.etag } }),
    generateVerificationCode: (cloud: LocalCloud, given: CertificateOptions) =>
      at(cloud, given, '/generateVerificationCode', { method: 'POST', headers: { 'if-match': given.etag } }),
    verify: async (cloud: LocalCloud, given: CertificateOptions) => {
      const body = { certificate: await certificateIn(given.path) };
      return at(cloud, given, '/verify', { method: 'POST', headers: { 'if-match': given.etag }, body });
    },
  };
}

/** The file itself in base64, as the resource manager takes it. @throws Fault CERTIFICATE_MISSING */
export async function certificateIn(path: string): Promise<string> {
  return readFile(path, 'base64').catch((cause: NodeJS.ErrnoException) => {
    throw new Fault('CERTIFICATE_MISSING', `the certificate cannot be read (${cause.code})`, {
      where: path,
      expected: 'a PEM or DER file',
    });
  });
}
