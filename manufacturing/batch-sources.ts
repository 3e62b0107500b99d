import { createHash, createHmac } from 'node:crypto';
import { join, resolve } from 'node:path';
import { ENROLMENT_FILE, type EnrolmentFile, type EnrolmentGroup, type ProvedCertificate } from '@zerotouch/azure-wire/enrolment';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { type Authority, type IssuerChain, lineName, openAuthority, proveTop, validityFrom } from './authority.js';
import { DEFAULT_LEVELS } from './authority-levels.js';
import type { Validity } from './certificates.js';
import { type CertificateSource, type CredentialSource, drawKeys, type EnrolmentKeys } from './credentials.js';
import { type CustodySecrets, checkSecrets, openCustody } from './custody.js';
import { readEndorsements } from './endorsement.js';
import { ManufacturingFault } from './faults.js';
import { type Files, MODE, writeDurably } from './files.js';
import { leafDays, leafValidity } from './leaf-validity.js';
import { type ManifestSigner, openManifestSigner } from './manifest-signer.js';
import { usable } from './out-folder.js';
import type { SpecWarning } from './plan.js';
import { type CertificateRequests, openRequests } from './requests.js';
import { enrolledBy } from './spec-authority.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';

/** Name of the file from which the keys of individual enrolments are derived; 0600, made where a batch has such. */
export const INDIVIDUAL_SECRET_FILE = 'individual-keys.secret';
const SECRET_BYTES = 64;

/** What every station of a batch must have alike before it burns. */
export interface BatchSources {
  authority: Authority | undefined;
  signer: ManifestSigner;
  certificates: ProvedCertificate[];
  /** What to think about before burning: leaves that an issuer ends early. */
  warnings: SpecWarning[];
  /** Each group of the spec with the source of its credentials. */
  sources: ReadonlyMap<GroupSpec, CredentialSource>;
  /** What the keys of individual enrolments are derived from; `undefined` where there are none. Secret. */
  individualSecret: Buffer | undefined;
}

/** What the sources of a batch are opened with. */
export interface SourcesRequest extends CustodySecrets {
  spec: BatchSpec;
  out: string;
  clock: Clock;
  entropy: Entropy;
  files: Files;
}

/**
 * Opens what a batch takes its identities from, and makes what is missing. What an earlier run wrote to enrolments.json is used again: its keys
 * may be in images.
 * @throws ManufacturingFault AUTHORITY_*, OUT_UNUSABLE
 */
export async function openSources(request: SourcesRequest): Promise<BatchSources> {
  const { spec, out, clock, entropy, files } = request;
  const authority = await openAuthorityOf(request);
  const directory = authorityFolder(spec, out);
  const signer = await usable(directory, () =>
    openManifestSigner({ directory, batch: spec.batch, root: authority?.root, clock, entropy, files }),
  );
  const earlier = await readEnrolmentHead(files, out);
  const individualSecret = await openIndividualSecret(request);
  const endorsements = await readEndorsements(spec, files);
  const requests = await openRequests(spec, files);
  const warnings: SpecWarning[] = [];
  const sourceFor = (group: GroupSpec, index: number): CredentialSource => {
    const keys = endorsements.get(group);
    if (keys !== undefined) return { kind: 'endorsement-keys', keys };
    const chain = group.attestation === 'x509' ? authority?.chains.get(lineName(group.enrolmentGroup)) : undefined;
    if (authority === undefined || chain === undefined)
      return group.enrolment === 'individual'
        ? { kind: 'own-keys' }
        : { kind: 'group-keys', keys: keysIn(earlier, group) ?? drawKeys(entropy) };
    const { validity, warning } = leafValidity(group, index, chain, clock);
    if (warning !== undefined) warnings.push(warning);
    return certificateSource(group, authority, chain, validity, requests.get(group));
  };
  const sources = new Map(spec.groups.map((group, index) => [group, sourceFor(group, index)]));
  const proofs = new Map((earlier?.certificates ?? []).map((proved) => [proved.certificate, proved]));
  const certificates: ProvedCertificate[] = [];
  for (const top of authority?.tops ?? []) certificates.push(proofs.get(top.pem) ?? (await proveTop(top, request)));
  return { authority, signer, certificates, sources, individualSecret, warnings };
}

/**
 * Checks the authority and what else the spec takes identities from, and writes nothing.
 * @throws ManufacturingFault AUTHORITY_*; InputFault ENDORSEMENT_INVALID, CSR_*, MAC_INVALID
 */
export async function checkAuthority(request: SourcesRequest): Promise<void> {
  checkSecrets(request.spec.authority, request);
  await readEndorsements(request.spec, request.files);
  await openRequests(request.spec, request.files, { check: true });
  const enough = new Error('checked');
  const files: Files = {
    ...request.files,
    // All checks come before the first thing that is made.
    makeFolder: () => Promise.reject(enough),
  };
  await openAuthorityOf({ ...request, files }).catch((error: unknown) => {
    if (error !== enough && (error as { cause?: unknown }).cause !== enough) throw error;
  });
}

/** What tells sources apart and gives nothing of them away: stations whose own differ must not burn the same batch. */
export function fingerprintsOf({ authority, sources, individualSecret }: BatchSources): Record<string, string> {
  const prints: Record<string, string> = authority?.root === undefined ? {} : { root: authority.root.certificate.fingerprint256 };
  for (const [group, source] of sources) {
    const name = `group ${group.enrolmentGroup ?? ''}`.trim();
    if (source.kind === 'line') prints[name] = source.line.certificate.fingerprint256;
    // Neither the root nor the signer: a line above the CA of a batch.
    const [, ...above] = (source.kind === 'line' ? authority?.chains.get(lineName(group.enrolmentGroup)) : undefined) ?? [];
    for (const issuer of above)
      if (issuer !== authority?.root) prints[`line ${group.enrolmentGroup ?? ''}`.trim()] = issuer.certificate.fingerprint256;
    if (source.kind === 'group-keys') prints[name] = fingerprint(source.keys.primary, source.keys.secondary);
  }
  if (individualSecret !== undefined) prints.individual = fingerprint(individualSecret);
  return prints;
}

/** The source of one device's own keys: the same for the same secret and identity, so that they need to be kept nowhere. */
export function individualEntropy(secret: Buffer, identity: string): Entropy {
  let counter = 0;
  const bytes = (count: number): Buffer => {
    const blocks: Buffer[] = [];
    for (let length = 0; length < count; length += 64) {
      blocks.push(createHmac('sha512', secret).update(`${identity}:${counter++}`).digest());
    }
    return Buffer.concat(blocks).subarray(0, count);
  };
  return { bytes, unit: () => bytes(6).readUIntBE(0, 6) / 2 ** 48 };
}

/** Folder of the authority of a batch. */
export function authorityFolder({ authority }: BatchSpec, out: string): string {
  return authority === undefined ? join(out, 'ca') : resolve(authority.directory);
}

async function openAuthorityOf(request: SourcesRequest): Promise<Authority | undefined> {
  const { spec, out, clock, entropy, files } = request;
  const certified = spec.groups.filter((group) => group.attestation === 'x509');
  if (certified.length === 0) return undefined;
  const strict = certified.filter(({ validity }) => validity?.beyondIssuer === 'refuse');
  const until = strict.length === 0 ? undefined : validityFrom(clock, Math.max(...strict.map(leafDays))).notAfter;
  const lines = [...new Set(certified.map((group) => lineName(group.enrolmentGroup)))];
  const directory = authorityFolder(spec, out);
  const custody = await openCustody(spec.authority, request);
  const { levels = DEFAULT_LEVELS } = spec.authority ?? {};
  return usable(directory, () => openAuthority({ directory, batch: spec.batch, lines, levels, until, clock, entropy, files, custody }));
}

function certificateSource(
  group: GroupSpec,
  { levels }: Authority,
  chain: IssuerChain,
  validity: Validity,
  requests: CertificateRequests | undefined,
): CertificateSource {
  const [line] = chain;
  const top = chain.at(-1) ?? line;
  const enrolled = chain[levels.length - 1 - levels.indexOf(enrolledBy(group, levels))] ?? line;
  return {
    kind: 'line',
    line,
    chainPem: chain
      .slice(0, -1)
      .map(({ pem }) => pem)
      .join(''),
    rootPem: top.pem,
    validity,
    enrolled,
    ...(group.key === undefined ? {} : { key: group.key }),
    ...(requests === undefined ? {} : { requests }),
  };
}

/** All of enrolments.json but the individual enrolments, which may be many. */
async function readEnrolmentHead(files: Files, out: string): Promise<Omit<EnrolmentFile, 'enrollments'> | undefined> {
  const path = join(out, ENROLMENT_FILE);
  const bytes = await usable(path, () => files.read(path));
  if (bytes === undefined) return undefined;
  const end = bytes.indexOf('\n  "enrollments": [');
  const text = end < 0 ? bytes.toString('utf8') : `${bytes.toString('utf8', 0, end)} "enrollments": [] }`;
  try {
    return JSON.parse(text) as EnrolmentFile;
  } catch {
    throw new ManufacturingFault('OUT_UNUSABLE', 'the enrolments of the batch are damaged', {
      where: path,
      expected: 'what the burn wrote: the keys of groups are nowhere else',
      remedy: 'put the file back from a copy',
    });
  }
}

function keysIn(earlier: { enrollmentGroups: EnrolmentGroup[] } | undefined, { enrolmentGroup }: GroupSpec): EnrolmentKeys | undefined {
  const group = earlier?.enrollmentGroups.find(({ enrollmentGroupId }) => enrollmentGroupId === enrolmentGroup);
  if (group?.attestation.type !== 'symmetricKey') return undefined;
  const { primaryKey = '', secondaryKey = '' } = group.attestation.symmetricKey;
  return { primary: Buffer.from(primaryKey, 'base64'), secondary: Buffer.from(secondaryKey, 'base64') };
}

async function openIndividualSecret({ spec, out, entropy, files }: SourcesRequest): Promise<Buffer | undefined> {
  if (!spec.groups.some((group) => group.enrolment === 'individual' && group.attestation === 'symmetric-key')) return undefined;
  const path = join(out, INDIVIDUAL_SECRET_FILE);
  return usable(path, async () => {
    const found = await files.read(path);
    if (found !== undefined) return Buffer.from(found.toString('latin1'), 'base64');
    const secret = entropy.bytes(SECRET_BYTES);
    await writeDurably(files, path, `${secret.toString('base64')}\n`, MODE.secret);
    return secret;
  });
}

function fingerprint(...secrets: Buffer[]): string {
  const hash = createHash('sha256').update('zerotouch batch secret');
  for (const secret of secrets) hash.update(secret);
  return hash.digest('hex');
}
