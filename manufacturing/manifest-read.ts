import { X509Certificate } from 'node:crypto';
import { compactVerify, decodeProtectedHeader } from 'jose';
import { z } from 'zod';
import { linkOf, MANIFEST_TYPE, type ManifestRecord } from './manifest-record.js';
import { signerProblem } from './manifest-signer.js';

/** What is wrong with a line of a manifest. */
export type ManifestProblemCode =
  /** No line of a manifest at all. */
  | 'MANIFEST_UNREADABLE'
  /** Another version of the format; the summary names it. */
  | 'MANIFEST_VERSION'
  /** Not signed by the certificate that the first line carries, or changed after it was signed. */
  | 'MANIFEST_SIGNATURE'
  /** An entry is missing, added or moved. */
  | 'MANIFEST_CHAIN'
  /** The end is missing, or counts other devices. */
  | 'MANIFEST_INCOMPLETE'
  /** Signed by somebody whom the root does not vouch for. */
  | 'MANIFEST_UNTRUSTED';

/** A problem, and the line (from 1) that has it. */
export interface ManifestProblem {
  code: ManifestProblemCode;
  line: number;
  summary: string;
}

/** One line: what it says where its signature is good, and what is wrong with it. */
export interface ManifestLine {
  line: number;
  record?: ManifestRecord;
  problems: readonly ManifestProblem[];
}

const link = { seq: z.int().min(0), prev: z.string().nullable() };
const certificate = z.object({ serialNumber: z.string(), thumbprint: z.string(), notAfter: z.string() });
const recordSchema = z.discriminatedUnion('type', [
  z.object({
    ...link,
    type: z.literal('batch'),
    version: z.literal(2),
    batch: z.string(),
    idScope: z.string(),
    endpoint: z.string(),
    tool: z.string(),
    madeAt: z.string(),
    partitionTable: z.string().optional(),
    authority: z.object({ root: certificate.optional(), lines: z.array(certificate), batches: z.array(certificate).optional() }).optional(),
  }),
  z.looseObject({
    ...link,
    type: z.literal('device'),
    registrationId: z.string(),
    serial: z.string(),
    mac: z.string().optional(),
    key: z.literal('elsewhere').optional(),
    attestation: z.string(),
    enrolment: z.enum(['group', 'individual']),
    enrolmentGroup: z.string().optional(),
    image: z.string(),
    certificate: certificate.optional(),
    partitions: z.record(z.string(), z.string()),
  }),
  z.object({ ...link, type: z.literal('end'), devices: z.int().min(0) }),
]);

/**
 * Reads a manifest line by line and checks each: signature, place in the chain, count at the end. It never throws for what is in the file:
 * every problem is told at its line, and reading goes on, so that one damaged line does not hide the others.
 * @param lines the lines of the file, without their newlines; nothing is kept of them
 * @param trust the root certificate, or where there is none that of the signer itself; without it nobody vouches for the signer, which the
 *   caller must tell
 */
export async function* readManifest(
  lines: AsyncIterable<string> | Iterable<string>,
  trust: X509Certificate | undefined,
): AsyncGenerator<ManifestLine> {
  const chain = new Chain(trust);
  let number = 0;
  for await (const text of lines) {
    if (text === '') continue;
    number++;
    yield await chain.next(text, number);
    // One document over many lines, or a line that nothing can follow from: each further line would only repeat it.
    if (chain.lost) return;
  }
  const problems = chain.end(number + 1);
  if (problems.length > 0) yield { line: number + 1, problems };
}

/** What is known from the lines before. */
class Chain {
  lost = false;
  #signer: X509Certificate | undefined;
  #seq = 0;
  #prev: string | null = null;
  #devices = 0;
  #ended = false;
  readonly #trust: X509Certificate | undefined;

  constructor(trust: X509Certificate | undefined) {
    this.#trust = trust;
  }

  async next(text: string, line: number): Promise<ManifestLine> {
    const problem = (code: ManifestProblemCode, summary: string): ManifestLine => ({ line, problems: [{ code, line, summary }] });
    const jws = jwsOf(text);
    if (jws === undefined) {
      this.lost = line === 1;
      return this.lost ? problem(...foreign(text)) : problem('MANIFEST_UNREADABLE', 'this is no line of a manifest');
    }
    const problems: ManifestProblem[] = [];
    if (line === 1) {
      const found = signerIn(jws);
      this.lost = found === undefined;
      if (found === undefined) return problem('MANIFEST_SIGNATURE', 'the first entry does not carry the certificate of its signer');
      this.#signer = found;
      const trusted = this.#trust !== undefined && !this.#trust.raw.equals(found.raw) ? this.#trust : undefined;
      const untrusted = this.#trust === undefined ? undefined : signerProblem(found, trusted);
      if (untrusted !== undefined) problems.push({ code: 'MANIFEST_UNTRUSTED', line, summary: untrusted });
    }
    const payload = await this.#verified(jws);
    const expected = { seq: this.#seq, prev: this.#prev };
    this.#prev = linkOf(jws);
    this.#seq++;
    if (payload === undefined) return problem('MANIFEST_SIGNATURE', 'the entry is not as it was signed, or was signed by somebody else');
    const parsed = recordSchema.safeParse(payload);
    if (!parsed.success) {
      this.lost = line === 1;
      return line === 1 ? problem(...versionOf(payload)) : problem('MANIFEST_UNREADABLE', 'the entry has fields that no manifest has');
    }
    const record = parsed.data as ManifestRecord;
    if (record.seq !== expected.seq || record.prev !== expected.prev || this.#ended || (record.type === 'batch') !== (line === 1)) {
      const summary = `entry ${record.seq} does not follow the one before it: an entry is missing, was added or was moved`;
      problems.push({ code: 'MANIFEST_CHAIN', line, summary });
      // From here on the chain is followed as this entry has it: one gap is one finding.
      this.#seq = record.seq + 1;
    }
    if (record.type === 'device') this.#devices++;
    if (record.type === 'end') {
      this.#ended = true;
      if (record.devices !== this.#devices) {
        const summary = `the end counts ${record.devices} devices, the manifest has ${this.#devices}`;
        problems.push({ code: 'MANIFEST_INCOMPLETE', line, summary });
      }
    }
    return { line, record, problems };
  }

  end(line: number): ManifestProblem[] {
    if (line === 1) return [{ code: 'MANIFEST_UNREADABLE', line, summary: 'the manifest is empty' }];
    return this.#ended ? [] : [{ code: 'MANIFEST_INCOMPLETE', line, summary: 'the manifest has no end: it was cut off' }];
  }

  async #verified(jws: string): Promise<unknown> {
    // Bits that base64url leaves unused are part of no signature.
    if (this.#signer === undefined || !jws.split('.').every(isCanonical)) return undefined;
    try {
      const { payload } = await compactVerify(jws, this.#signer.publicKey, { algorithms: ['ES256'] });
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
    } catch {
      return undefined;
    }
  }
}

function jwsOf(text: string): string | undefined {
  try {
    const value = JSON.parse(text) as { jws?: unknown } | null;
    return typeof value?.jws === 'string' ? value.jws : undefined;
  } catch {
    return undefined;
  }
}

function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}

function signerIn(jws: string): X509Certificate | undefined {
  try {
    const { x5c, typ } = decodeProtectedHeader(jws) as { x5c?: unknown; typ?: unknown };
    const first: unknown = Array.isArray(x5c) ? x5c[0] : undefined;
    if (typ !== MANIFEST_TYPE || typeof first !== 'string') return undefined;
    return new X509Certificate(Buffer.from(first, 'base64'));
  } catch {
    return undefined;
  }
}

function foreign(text: string): [ManifestProblemCode, string] {
  // Version 1 was one JSON document, indented or not.
  if (text.trim() === '{' || /^\s*\{\s*"version":\s*1\b/.test(text)) {
    return ['MANIFEST_VERSION', 'this is a manifest of version 1, which nobody signed; version 2 is needed'];
  }
  return ['MANIFEST_UNREADABLE', 'this is no manifest'];
}

function versionOf(payload: unknown): [ManifestProblemCode, string] {
  const { version } = (payload ?? {}) as { version?: unknown };
  if (typeof version === 'number' && version !== 2) {
    return ['MANIFEST_VERSION', `this is a manifest of version ${version}; version 2 is needed`];
  }
  return ['MANIFEST_UNREADABLE', 'the first entry is not the head of a manifest'];
}
