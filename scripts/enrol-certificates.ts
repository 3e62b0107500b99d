import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import type { Job } from './job.js';

/** What the service API cannot do is said plainly: without it, no device of an X.509 group gets in. */
export function tellCertificates({ certificates }: EnrolmentFile, dir: string, local: boolean, { output }: Pick<Job, 'output'>): void {
  for (const { name } of certificates) {
    const todo = local
      ? `zerotouch cloud --enrollments ${dir}`
      : `az iot dps certificate create --dps-name DPS --resource-group GROUP --certificate-name ${name} --path ROOT.pem --verified true`;
    output.event(
      { event: 'certificate', name, todo },
      `CA certificate ${name}: the service API takes none. If DPS does not have it verified yet: ${todo}${local ? '' : ' (ROOT.pem: root.pem of the authority, ca/ in the folder of the batch unless its spec says otherwise)'}`,
    );
  }
}
