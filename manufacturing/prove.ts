import { join, resolve } from 'node:path';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { lineName, proveWithCode } from './authority.js';
import { readIssuer } from './authority-folder.js';
import { type AuthorityLevel, authorityLevels, authorityStem } from './authority-levels.js';
import { authorityFolder } from './batch-sources.js';
import { type CustodySecrets, checkSecrets, openCustody } from './custody.js';
import { ManufacturingFault } from './faults.js';
import { type Files, systemFiles } from './files.js';
import type { BatchSpec } from './spec-schema.js';

/** Which CA to prove, and for what. */
export interface ProveOptions extends CustodySecrets {
  spec: BatchSpec;
  /** Folder of the batch. */
  out: string;
  level: AuthorityLevel;
  /** The enrolment group whose CA it is; not for the root. */
  group?: string | undefined;
  /** As DPS gave it: `az iot dps certificate generate-verification-code`, or the portal. */
  code: string;
  clock: Clock;
  entropy: Entropy;
  files?: Files;
}

/**
 * Proves possession of a CA of a batch to a DPS that drew the code itself, as Azure does.
 * @returns the certificate to upload as proof, PEM; its common name is the code
 * @throws ManufacturingFault AUTHORITY_INCOMPLETE where the folder has no such CA, AUTHORITY_INVALID; InputFault PROOF_CODE, PASSPHRASE.
 * Source: iot-dps/how-to-verify-certificates
 */
export async function proveCa(options: ProveOptions): Promise<string> {
  const { spec, level, group, code, clock, entropy, files = systemFiles } = options;
  checkSecrets(spec.authority, options);
  const directory = authorityFolder(spec, resolve(options.out));
  const stem = authorityStem(level, lineName(group), spec.batch);
  const issuer = await readIssuer({ directory, files, clock, custody: await openCustody(spec.authority, options) }, { level, stem });
  if (issuer === undefined) {
    throw new ManufacturingFault('AUTHORITY_INCOMPLETE', 'there is no such CA', {
      where: join(directory, `${stem}.pem`),
      expected: `a CA of level ${authorityLevels.join(', ')} that a burn of this batch has made`,
      remedy: 'burn the batch first, or name another level or group',
    });
  }
  return (await proveWithCode(issuer, code, { clock, entropy })).verification.certificate;
}
