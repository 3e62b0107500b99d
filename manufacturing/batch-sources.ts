import { createHash, createHmac } from 'node:crypto';
import { join, resolve } from 'node:path';
import { ENROLMENT_FILE, type EnrolmentFile, type EnrolmentGroup, type ProvedCertificate } from '@zerotouch/azure-wire/enrolment';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { type Authority, lineName, openAuthority, proveRoot, validityFrom } from './authority.js';
import { type CredentialSource, drawKeys, type EnrolmentKeys } from './credentials.js';
import { readEndorsements } from './endorsement.js';
import { ManufacturingFault } from './faults.js';
import { type Files, MODE, writeDurably } from './files.js';
import { type ManifestSigner, openManifestSigner } from './manifest-signer.js';
import { usable } from './out-folder.js';
import { type BatchSpec, DEFAULT_LEAF_DAYS, type GroupSpec } from './spec-schema.js';
import type { Token } from './token.js';

/** Name of the file from which the keys of individual enrolments are derived; 0600, made where a batch has such. */
export const INDIVIDUAL_SECRET_FILE = 'individual-keys.secret';
const SECRET_BYTES = 64;

/** What every station of a batch must have alike before it burns. */
export interface BatchSources {
  authority: Authority | undefined;
  signer: ManifestSigner;
  certificates: ProvedCertificate[];
  /** Each group of the spec with the source of its credentials. */
  sources: ReadonlyMap<GroupSpec, CredentialSource>;
  /** What the keys of individual enrolments are derived from; `undefined` where there are none. Secret. */
  individualSecret: Buffer | undefined;
}

/** What the sources of a batch are opened with. */
export interface SourcesRequest {
  spec: BatchSpec;
  out: string;
  clock: Clock;
  entropy: Entropy;
  files: Files;
  /** Of the CA keys, or the PIN of their token, where the spec asks for one. Secret. */
  passphrase?: string | undefined;
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
  const sourceFor = (group: GroupSpec): CredentialSource => {
    const keys = endorsements.get(group);
    return keys === undefined ? sourceOf(group, authority, request, keysIn(earlier, group)) : { kind: 'endorsement-keys', keys };
  };
  const sources = new Map(spec.groups.map((group) => [group, sourceFor(group)]));
  const certificates = earlier?.certificates ?? (authority === undefined ? [] : [await proveRoot(authority, request)]);
  return { authority, signer, certificates, sources, individualSecret };
}

/**
 * Checks the authority and what else the spec takes identities from, and writes nothing.
 * @throws ManufacturingFault AUTHORITY_*; InputFault ENDORSEMENT_INVALID
 */
export async function checkAuthority(request: SourcesRequest): Promise<void> {
  await readEndorsements(request.spec, request.files);
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
  const prints: Record<string, string> = authority === undefined ? {} : { root: authority.root.certificate.fingerprint256 };
  for (const [group, source] of sources) {
    const name = `group ${group.enrolmentGroup ?? ''}`.trim();
    if (source.kind === 'line') prints[name] = source.line.certificate.fingerprint256;
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

async function openAuthorityOf({ spec, out, clock, entropy, files, passphrase }: SourcesRequest): Promise<Authority | undefined> {
  const certified = spec.groups.filter((group) => group.attestation === 'x509');
  if (certified.length === 0) return undefined;
  const until = validityFrom(clock, Math.max(...certified.map(leafDays))).notAfter;
  const lines = [...new Set(certified.map((group) => lineName(group.enrolmentGroup)))];
  const directory = authorityFolder(spec, out);
  const token = await tokenOf(spec, passphrase);
  const secret = token === undefined ? { passphrase } : { token };
  return usable(directory, () => openAuthority({ directory, batch: spec.batch, lines, until, clock, entropy, files, ...secret }));
}

function sourceOf(
  group: GroupSpec,
  authority: Authority | undefined,
  { clock, entropy }: SourcesRequest,
  earlier: EnrolmentKeys | undefined,
): CredentialSource {
  const line = group.attestation === 'x509' ? authority?.lines.get(lineName(group.enrolmentGroup)) : undefined;
  if (authority !== undefined && line !== undefined) {
    const validity = validityFrom(clock, leafDays(group), line.certificate);
    return { kind: 'line', line, rootPem: authority.root.pem, validity, ...(group.key === undefined ? {} : { key: group.key }) };
  }
  return group.enrolment === 'individual' ? { kind: 'own-keys' } : { kind: 'group-keys', keys: earlier ?? drawKeys(entropy) };
}

/** Loaded only where it is used: it stands on a native package that most do without. */
async function tokenOf({ authority }: BatchSpec, pin = ''): Promise<Token | undefined> {
  if (authority?.token === undefined) return undefined;
  const { openToken } = await import('./token.js');
  return openToken({ ...authority.token, pin });
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

function leafDays(group: GroupSpec): number {
  return group.validity?.days ?? DEFAULT_LEAF_DAYS;
}
