import type { KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { commonName } from '@zerotouch/azure-wire/common-name';
import type { ProvedCertificate } from '@zerotouch/azure-wire/enrolment';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { type AuthorityFolder, checkIssued, checkLine, readIssuer, tokenLabel } from './authority-folder.js';
import {
  drawSerialNumber,
  type Issuer,
  issueCertificate,
  issuerOf,
  makeKeyPair,
  privateKeyPem,
  publicKeyBytes,
  selfSign,
  type Validity,
} from './certificates.js';
import { MODE, writeDurably, writePairDurably } from './files.js';
import { InputFault } from './input-faults.js';
import type { Signer } from './signer.js';
import { LINE_DAYS } from './spec-schema.js';

/** Days a root is good for: twenty years. */
const ROOT_DAYS = 7300;
const DAY_MS = 86_400_000;

/** The line that signs devices without an enrolment group. */
export const INDIVIDUAL_LINE = '';

/** A root and its line intermediates, ready to sign. */
export interface Authority {
  root: Issuer;
  /** Line intermediates by {@link lineName}. */
  lines: ReadonlyMap<string, Issuer>;
  /** Files that were made now; empty where everything was there. */
  made: readonly string[];
}

/** What {@link openAuthority} needs. */
export interface AuthorityRequest extends AuthorityFolder {
  /** Goes into the names of what is made. */
  batch: string;
  /** The lines wanted, as {@link lineName} gives them. */
  lines: readonly string[];
  entropy: Entropy;
}

/**
 * The line of an enrolment group. Each x509 group has a line of its own: DPS takes the first group whose signing certificate it finds in a
 * device's chain, so a line shared by two groups would leave the choice to chance.
 */
export function lineName(enrolmentGroup: string | undefined): string {
  return enrolmentGroup === undefined ? INDIVIDUAL_LINE : canonicalRegistrationId(enrolmentGroup);
}

/**
 * From a day ago, against clocks that are behind, until `days` from now; never outside of what the issuer is good for.
 */
export function validityFrom(clock: Clock, days: number, within?: X509Certificate): Validity {
  const now = Math.floor(clock.now() / 1000) * 1000;
  const from = Math.max(now - DAY_MS, within === undefined ? 0 : Date.parse(within.validFrom));
  const to = Math.min(now + days * DAY_MS, within === undefined ? Number.POSITIVE_INFINITY : Date.parse(within.validTo));
  return { notBefore: new Date(from), notAfter: new Date(to) };
}

/**
 * The authority of a folder: what is there is checked before anything is written, what is missing is made. Files: `root.pem`, `root.key`;
 * for each line `line-<enrolment group>.pem` and `.key`, for devices without a group `line.pem` and `line.key`. Keys are 0600.
 * @throws ManufacturingFault AUTHORITY_INCOMPLETE, AUTHORITY_INVALID, AUTHORITY_EXPIRED, AUTHORITY_TOO_SHORT
 */
export async function openAuthority(request: AuthorityRequest): Promise<Authority> {
  const { directory, files } = request;
  const root = await readIssuer(request, 'root');
  if (root !== undefined) checkIssued(root, root, join(directory, 'root.pem'));
  const lines = new Map<string, Issuer | undefined>();
  for (const name of request.lines) {
    const line = await readIssuer(request, fileStem(name));
    if (line !== undefined) checkLine(line, root, directory, fileStem(name));
    lines.set(name, line);
  }

  await files.makeFolder(directory, MODE.folder);
  const made: string[] = [];
  const usedRoot = root ?? (await makeRoot(request, made));
  const usedLines = new Map<string, Issuer>();
  for (const [name, line] of lines) usedLines.set(name, line ?? (await makeLine(request, usedRoot, name, made)));
  return { root: usedRoot, lines: usedLines, made };
}

/**
 * The root with its proof of possession: a certificate for a verification code, signed by the root's key.
 * Source: iot-dps/how-to-verify-certificates.
 */
export async function proveRoot({ root }: Authority, time: { clock: Clock; entropy: Entropy }): Promise<ProvedCertificate> {
  return proveWithCode(root, time.entropy.bytes(24).toString('hex').toUpperCase(), time);
}

/**
 * The proof of possession of a CA for a verification code that somebody else drew: Azure shows one for each certificate that is uploaded.
 * @throws InputFault PROOF_CODE where the code cannot be a common name
 */
export async function proveWithCode(
  root: Issuer,
  code: string,
  { clock, entropy }: { clock: Clock; entropy: Entropy },
): Promise<ProvedCertificate> {
  if (!/^[\x21-\x7e]{1,64}$/.test(code)) {
    throw new InputFault('PROOF_CODE', 'this is not a verification code', {
      seen: `${code.length} characters`,
      expected: '1 to 64 letters and digits',
    });
  }
  const serialNumber = drawSerialNumber(entropy);
  const { publicKey } = await makeKeyPair();
  const validity = validityFrom(clock, ROOT_DAYS, root.certificate);
  const certificate = await issueCertificate({ commonName: code, publicKey: publicKeyBytes(publicKey), serialNumber, validity }, root);
  // Azure's rule for the name of a certificate: at most 64 letters, digits and - . _
  const name = (commonName(root.certificate) ?? '').replace(/[^A-Za-z0-9\-._]+/g, '-').slice(0, 64);
  return { name: name === '' ? 'root' : name, certificate: root.pem, verification: { code, certificate } };
}

/** A key for a CA: in the token where there is one, else in memory until {@link save} writes it. */
async function makeAuthorityKey({ token }: AuthorityRequest, stem: string): Promise<{ publicKey: Buffer; key: KeyObject | Signer }> {
  if (token !== undefined) {
    const { publicKey, signer } = token.findOrMake(tokenLabel(stem));
    return { publicKey, key: signer };
  }
  const { privateKey, publicKey } = await makeKeyPair();
  return { publicKey: publicKeyBytes(publicKey), key: privateKey };
}

async function makeRoot(request: AuthorityRequest, made: string[]): Promise<Issuer> {
  const { batch, clock, entropy } = request;
  // Two roots of one name would confuse whoever looks an issuer up by its name.
  const commonName = `${batch} root ${entropy.bytes(4).toString('hex')}`;
  const serialNumber = drawSerialNumber(entropy);
  const { publicKey, key } = await makeAuthorityKey(request, 'root');
  const validity = validityFrom(clock, ROOT_DAYS);
  const pem = await selfSign({ commonName, publicKey, serialNumber, validity, authority: {} }, key);
  return save(request, 'root', pem, key, made);
}

async function makeLine(request: AuthorityRequest, root: Issuer, name: string, made: string[]): Promise<Issuer> {
  const { batch, clock, entropy } = request;
  const commonName = `${batch} line ${entropy.bytes(4).toString('hex')}`;
  const serialNumber = drawSerialNumber(entropy);
  const { publicKey, key } = await makeAuthorityKey(request, fileStem(name));
  const validity = validityFrom(clock, LINE_DAYS, root.certificate);
  const authority = { pathLength: 0 };
  const pem = await issueCertificate({ commonName, publicKey, serialNumber, validity, authority }, root);
  return save(request, fileStem(name), pem, key, made);
}

async function save(
  { directory, files, passphrase }: AuthorityRequest,
  stem: string,
  pem: string,
  key: KeyObject | Signer,
  made: string[],
): Promise<Issuer> {
  const paths = { key: join(directory, `${stem}.key`), certificate: join(directory, `${stem}.pem`) };
  if ('sign' in key) {
    await writeDurably(files, paths.certificate, pem, MODE.open);
    made.push(paths.certificate);
    return issuerOf(pem, key);
  }
  await writePairDurably(
    files,
    { path: paths.key, bytes: privateKeyPem(key, passphrase), mode: MODE.secret },
    { path: paths.certificate, bytes: pem, mode: MODE.open },
  );
  made.push(paths.key, paths.certificate);
  return issuerOf(pem, key);
}

function fileStem(line: string): string {
  return line === INDIVIDUAL_LINE ? 'line' : `line-${line.replaceAll(':', '%3A')}`;
}
