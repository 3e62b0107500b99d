import { certificatesOf } from './certificates.js';
import type { Kind } from './local-cloud.js';
import { type NounRow, type OptionRow, verb } from './nouns.js';
import { needed, row, yesNo } from './rows.js';

const named = needed(row('--certificate-name --name -n <name>', 'name of the certificate'));
const path = needed(row('--path -p <file>', 'PEM or DER file of the certificate'));
const etag = needed(row('--etag -e <etag>', 'only when it is still this one'));
const verified = yesNo('--verified -v', 'count it as proved');

/** The noun `certificate` of a DPS or a hub. @param owner options that name its owner */
export function certificateNoun(kind: Kind, owner: readonly OptionRow[]): NounRow {
  const certificates = certificatesOf(kind);
  return {
    name: `${kind} certificate`,
    is: `CA certificates of a ${kind === 'dps' ? 'DPS' : 'hub'}, and the proof of possession`,
    verbs: [
      verb('list', 'list the certificates', owner, certificates.list),
      verb('show', 'show a certificate', [...owner, named], certificates.show),
      verb('create', 'upload a certificate', [...owner, named, path, verified], certificates.create),
      verb('update', 'upload another certificate', [...owner, named, path, etag, verified], certificates.update),
      verb(
        'generate-verification-code',
        'tell what the proof must have as its common name',
        [...owner, named, etag],
        certificates.generateVerificationCode,
      ),
      verb('verify', 'prove that the key is ours', [...owner, named, path, etag], certificates.verify),
      verb('delete', 'delete a certificate', [...owner, named, etag], certificates.delete),
    ],
  };
}
