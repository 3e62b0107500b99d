import { createHash } from 'node:crypto';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { CertificateFacts } from './certificate-facts.js';
import type { FindingCode, Tell } from './findings.js';
import type { ImageFacts } from './image-facts.js';

/** What no two images may share, over all paths of one audit. Keys are kept as hashes only. */
export class Uniques {
  readonly #taken = new Map<string, string>();

  check({ file, factory }: ImageFacts, identity: CertificateFacts | undefined, tell: Tell): void {
    const claim = (code: FindingCode, where: string, key: string): void => {
      const owner = this.#taken.get(`${code} ${key}`);
      if (owner === undefined) this.#taken.set(`${code} ${key}`, file.path);
      else if (owner !== file.path) tell(code, where, `${owner} has it too`);
    };
    if (factory !== undefined) {
      const { registrationId, serial, symmetricKey } = factory;
      claim('ID_SHARED', 'partition fctry, dps/reg_id', canonicalRegistrationId(registrationId));
      claim('SERIAL_SHARED', 'partition fctry, dps/serial', serial);
      if (symmetricKey !== undefined) claim('KEY_SHARED', 'partition fctry, dps/sym_key', digest(symmetricKey));
    }
    if (identity === undefined) return;
    const { leaf } = identity;
    claim('KEY_SHARED', 'partition esp_secure_cert, device certificate', digest(leaf.publicKey.export({ type: 'spki', format: 'der' })));
    claim('CERTIFICATE_SERIAL_SHARED', 'partition esp_secure_cert, device certificate', `${leaf.issuer} ${leaf.serialNumber}`);
  }
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64');
}
