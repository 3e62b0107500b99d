/** `error`: the device will fail in the field, or a secret is lost. `warning`: it works today, and is known to hurt later. */
export type Severity = 'error' | 'warning';

/** What every finding of a code has in common. */
export interface FindingKind {
  severity: Severity;
  /** One plain sentence: what is wrong and what comes of it. */
  reason: string;
  /** What to do. */
  remedy: string;
}

const error = (reason: string, remedy: string): FindingKind => ({ severity: 'error', reason, remedy });
const warning = (reason: string, remedy: string): FindingKind => ({ severity: 'warning', reason, remedy });

const BURN_AGAIN = 'burn the device again';

/** Every code that the audit knows. The guide `docs/guides/audit.md` lists the same. */
export const FINDINGS = {
  // The file and the flash in it.
  IMAGE_UNREADABLE: error('the file is not a flash image, or is damaged where its partitions are told', BURN_AGAIN),
  LAYOUT_FOREIGN: error(
    'the image has another partition layout than the batch',
    'burn it with the layout of the batch, or name its manifest (--manifest) or the spec that it was burnt from (--batch)',
  ),
  FACTORY_DAMAGED: error('the factory data cannot be read: the device would not know its own name', BURN_AGAIN),
  CERTIFICATES_DAMAGED: error('the partition of the certificates is damaged', BURN_AGAIN),
  EFUSE_MISSING: error(
    'the image is encrypted, and the eFuse file that opens it is not beside it, or is that of another device',
    'put the .efuse file of this device beside its image',
  ),
  NVS_DAMAGED: warning("the device's own partition holds the traces of a power cut", 'power the device on once: it repairs them'),
  IMAGE_FIELDED: error(
    'a device has written to this image: it carries the state, and perhaps the hub, of another life',
    'ship the image as it was burnt; use --fielded for images that come back from devices',
  ),
  STRAY_BYTES: warning(
    'there are bytes outside of every partition, where nothing is checked',
    'leave that flash erased, or lay the contents into a partition',
  ),
  FILE_EXPOSED: error(
    'others on this machine can read or write a file that holds secrets',
    'chmod 600 the file; if others were on the machine, replace the secrets',
  ),
  // Names.
  ID_BAD: error(
    'the registration id is not one that DPS takes (400004)',
    'use 1 to 128 letters, digits and - . _ :, ending in a letter, digit or dash',
  ),
  ID_CN_PREFIX: error('the registration id still has "CN=" in front (401002)', 'use the common name alone'),
  ID_TOO_LONG: error('the registration id does not fit into the common name of a certificate', 'use at most 64 characters with X.509'),
  ID_UPPER_CASE: warning(
    'an id has upper-case letters: some validators refuse them (400004), and a derived key depends on the case that DPS ignores',
    'use lower case',
  ),
  SERIAL_EMPTY: error('the serial is empty: nobody can tell which device this is', 'give every device a serial'),
  SCOPE_BAD: error(
    'the ID scope has not the form of one',
    'use 0ne and eight hexadecimal digits, as the overview of the DPS instance shows it',
  ),
  ENDPOINT_BAD: error(
    'the endpoint is not the host name of a DPS device endpoint',
    'use a host name alone, such as global.azure-devices-provisioning.net',
  ),
  ENDPOINT_FOREIGN_CLOUD: error(
    'the endpoint or a hub belongs to another sovereign cloud than the rest of the batch',
    'use the host names of one cloud; name the spec with --batch where it is not the public one',
  ),
  // Certificates.
  CREDENTIALS_MISSING: error('the image has neither a certificate nor a key: the device cannot prove who it is', BURN_AGAIN),
  CREDENTIALS_TWICE: warning(
    'the image has a certificate and a symmetric key: which one counts is left to the firmware',
    'burn one of them',
  ),
  PEM_DAMAGED: error('a PEM text cannot be read', 'take the PEM as the CA gave it, in ASCII, without a passphrase'),
  PEM_JUNK: error('there is text around the PEM, which many parsers refuse', 'keep only the lines from BEGIN to END'),
  CN_EMPTY: error(
    'the certificate has no common name: DPS takes the registration id from it',
    'issue it with the registration id as common name',
  ),
  CN_NOT_ID: error('the common name is not the registration id (401002)', 'issue the certificate for this registration id'),
  LEAF_IS_CA: error('the device certificate is one of an authority: the device could issue others', 'issue an end entity certificate'),
  ISSUER_NOT_CA: error(
    'a certificate in the place of an issuer is none of an authority',
    'put the certificates of the issuers into the chain',
  ),
  ISSUER_KEY_IN_IMAGE: error(
    'the private key of an issuer is in the image: whoever reads it can make devices',
    'replace the authority, and burn again',
  ),
  CHAIN_MISSING: error(
    'the chain is not in the image: DPS cannot get from the device certificate to a CA it knows',
    'burn the leaf with all its intermediates',
  ),
  CHAIN_ORDER: error('the chain is not in the order leaf, issuer, issuer of that', 'put each certificate before the one that signed it'),
  CHAIN_BROKEN: error(
    'an issuer has the right name and another key than the one that signed ("Signing certificate info did not match chain elements")',
    'put the certificate of the key that signed into the chain',
  ),
  LEAF_EXPIRED: error('the device certificate has expired (401002)', 'issue it anew'),
  ISSUER_EXPIRED: error('the certificate of an issuer has expired (401002)', 'renew the issuer, and issue the device certificates anew'),
  LEAF_EXPIRES: warning('the device certificate expires within the horizon', 'issue it for longer, or plan how it is rolled'),
  ISSUER_EXPIRES: warning('the certificate of an issuer expires within the horizon', 'renew the issuer before it ships more devices'),
  NOT_YET_VALID: error('a certificate is not valid yet: DPS refuses it', 'back-date its start; check the clock of the CA'),
  LEAF_OUTLIVES_ISSUER: warning(
    'the device certificate is good for longer than its issuer: it ends with the issuer',
    'issue it within the life of its issuer',
  ),
  VALIDITY_SHORT: warning(
    'a certificate is good for less than 90 days in all: that is the life of a test',
    'issue it for the life of the device, or plan how it is rolled',
  ),
  DEBUG_CERTIFICATE: error(
    'a test or debug authority issued a certificate of a production batch',
    'issue it from the production authority',
  ),
  SIGNATURE_WEAK: error('a certificate is signed with SHA-1 or MD5, which can be forged', 'issue it with SHA-256'),
  SERVER_ROOT_RETIRED: warning('the CA certificate is a server root that Azure has left', 'carry the roots that Azure documents today'),
  SERVER_ROOT_UNREADABLE: error(
    'a server root in the image cannot be read, or is no certificate of an authority: no server can be trusted by it',
    'burn the device again with CA certificates in PEM',
  ),
  SERVER_ROOT_EXPIRED: error(
    'a server root in the image has expired: a server whose certificate ends at it is refused',
    'burn the device again with the roots that the service documents today',
  ),
  SERVER_ROOT_EXPIRES: warning(
    'a server root in the image retires within the horizon',
    'see that the root its servers move to is in the image too',
  ),
  SERVER_ROOTS_EXPIRE: warning(
    'every server root in the image retires within the horizon: the device can then reach no server',
    'burn it with a root that lasts, or plan how it is updated before',
  ),
  KEY_MISSING: error(
    'there is a certificate and no private key, and nothing says that the key is kept elsewhere',
    'burn the device again; where an HSM has the key, name the manifest or the spec of the batch',
  ),
  KEY_MISMATCH: error('the private key does not belong to the certificate: TLS fails', 'burn the key that the certificate was issued for'),
  KEY_WEAK: error(
    'the key is too weak to be one',
    'draw keys from a cryptographic generator: P-256, P-384 or RSA-2048; 16 to 64 random bytes',
  ),
  SECRET_DEFAULT: error('the symmetric key is a default or a pattern that anyone can guess', 'draw it from a cryptographic generator'),
  // The image and its enrolment.
  GROUP_KEY_UNDILUTED: error(
    'the device has the key of the enrolment group itself: whoever reads one device owns all',
    'burn the key derived for its id, and replace the group key',
  ),
  GROUP_KEY_IN_IMAGE: error('the key of an enrolment group is somewhere in the image', 'burn without it, and replace the group key'),
  KEY_NOT_ENROLLED: error(
    'the key is not the one that its enrolment asks for (401000)',
    'derive it from the group key and exactly this registration id',
  ),
  NOT_ENROLLED: error(
    'no enrolment of the batch lets this device in (404201 or 401002)',
    'add its enrolment, or the certificate of its line',
  ),
  ENROLMENT_DISABLED: warning('the enrolment is disabled: DPS refuses its devices', 'enable it before they ship'),
  ENROLMENT_AMBIGUOUS: error(
    'two enrolment groups take the same signing certificate: which one a device gets is left to chance',
    'give each group an issuer of its own',
  ),
  GROUP_ID_BAD: error('the id of an enrolment group is not one that DPS takes', 'use 1 to 128 letters, digits and - . _ :, no @ and no /'),
  ALLOCATION_INCOMPLETE: error(
    'the allocation policy lacks what it needs (400004)',
    'name exactly one hub for static, a webhook for custom',
  ),
  CA_UNPROVED: error(
    'possession of the CA was never proved: DPS refuses every device below it',
    'sign the verification code with the CA key and upload it with the CA',
  ),
  ENROLMENTS_UNREADABLE: error('the enrolments of the batch cannot be read', 'take enrolments.json as the burn left it'),
  // The image and the others.
  ID_SHARED: error('two images have one registration id: the devices throw each other out', BURN_AGAIN),
  SERIAL_SHARED: error('two images have one serial', 'give every device a serial of its own'),
  KEY_SHARED: error('two images have one key: one device can pose as the other', 'draw a key for each device'),
  CERTIFICATE_SERIAL_SHARED: error(
    'one issuer gave two certificates the same serial number: neither can be revoked alone',
    'issue one of them anew',
  ),
  // The image and its spec.
  NOT_IN_SPEC: error('the spec does not name this device', 'name the spec that it was burnt from'),
  SPEC_MISMATCH: error('the image does not say what the spec says', 'burn it from this spec'),
  IMAGE_MISSING: error('the batch has a device without its image', 'burn it with --resume'),
  // The manifest.
  MANIFEST_MISSING: warning('the batch has no manifest: nobody can tell whether an image was changed', 'burn it with --resume'),
  MANIFEST_UNREADABLE: error('the manifest cannot be read', 'take it as the burn left it'),
  MANIFEST_VERSION: error('the manifest is of another version', 'verify it with the zerotouch that wrote it'),
  MANIFEST_SIGNATURE: error('an entry of the manifest is not as it was signed', 'take the manifest as the burn left it'),
  MANIFEST_CHAIN: error('an entry of the manifest is missing, was added or was moved', 'take the manifest as the burn left it'),
  MANIFEST_INCOMPLETE: error('the manifest was cut off', 'take the manifest as the burn left it'),
  MANIFEST_UNTRUSTED: error('the root does not vouch for whoever signed the manifest', 'name the root of this factory with --root'),
  MANIFEST_UNVOUCHED: warning(
    'no root is known that vouches for the manifest: its signature proves nothing',
    'name the root of this factory with --root',
  ),
  MANIFEST_MISMATCH: error('the image is not what the manifest says: it was changed after it was burnt', BURN_AGAIN),
  NOT_IN_MANIFEST: error('the manifest does not name this image: it was put here after the burn', 'take it away'),
  // The ledger.
  LEDGER_MISMATCH: error(
    'the ledger does not say of this device what the manifest says',
    'find out in the ledger which identity the device has, and burn it again',
  ),
  DEVICE_QUARANTINED: error(
    'the device is in quarantine: it must not ship',
    'look into it, then release, burn again or scrap it with zerotouch batch',
  ),
  ENROLMENT_REVOKED: error(
    'the enrolments were revoked: DPS refuses these devices',
    'do not ship them; zerotouch batch reinstate, and enrolling again, ends that',
  ),
  AUTHORITY_LEAKED: error(
    'the ledger records the CA of this chain as replaced: whoever has its key can make devices',
    'burn the device again under the new CA',
  ),
} as const satisfies Record<string, FindingKind>;

/** The code of a finding; stable. */
export type FindingCode = keyof typeof FINDINGS;

/** One thing that the audit found. Nothing in it is secret. */
export interface Finding {
  /** The image as it was named; `null` where it is about the batch. */
  image: string | null;
  code: FindingCode;
  severity: Severity;
  /** Partition, certificate, file or line, as a person would look for it. */
  where: string;
  reason: string;
  remedy: string;
}

/** Tells a finding about one thing; `detail` is what was seen. */
export type Tell = (code: FindingCode, where: string, detail?: string, severity?: Severity) => void;

/** Collects findings about an image, or about the batch. */
export function tellInto(findings: Finding[], image: string | null): Tell {
  return (code, where, detail, severity) => {
    const kind = FINDINGS[code];
    const reason = detail === undefined ? kind.reason : `${kind.reason}: ${detail}`;
    findings.push({ image, code, severity: severity ?? kind.severity, where, reason, remedy: kind.remedy });
  };
}
