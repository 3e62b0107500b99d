import type { KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { commonName } from '@zerotouch/azure-wire/common-name';
import type { ProvedCertificate } from '@zerotouch/azure-wire/enrolment';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { type AuthorityFolder, checkBelow, checkIssued, checkRoom, type IssuerPlace, readIssuer, tokenLabel } from './authority-folder.js';
import { type AuthorityLevel, authorityStem, DEFAULT_LEVELS, INDIVIDUAL_LINE } from './authority-levels.js';
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

/** The CAs above a device, from the one that signs it up to the one that signs itself. */
export type IssuerChain = readonly [signer: Issuer, ...above: Issuer[]];

/** The CAs of a batch, ready to sign. */
export interface Authority {
  /** Above all lines; `undefined` where the batch has none, and every line signs itself. */
  root: Issuer | undefined;
  /** Who signs the devices of a line, and who is above, by {@link lineName}. */
  chains: ReadonlyMap<string, IssuerChain>;
  /** The CAs that sign themselves: the root, or else a line each. */
  tops: readonly Issuer[];
  /** Levels of the chains, from the top down. */
  levels: readonly AuthorityLevel[];
  /** Files that were made now; empty where everything was there. */
  made: readonly string[];
}

/** What {@link openAuthority} needs. */
export interface AuthorityRequest extends AuthorityFolder {
  /** Goes into the names of what is made. */
  batch: string;
  /** The lines wanted, as {@link lineName} gives them. */
  lines: readonly string[];
  /** {@link DEFAULT_LEVELS} unless given. */
  levels?: readonly AuthorityLevel[];
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
 * The authority of a folder: what is there is checked before anything is written, what is missing is made, from the top down. Files, `.pem` and
 * `.key` (0600): `root`; for each line `line-<enrolment group>`, for devices without a group `line`; for each batch `batch-<batch>@<enrolment
 * group>` and `batch-<batch>`.
 * @throws ManufacturingFault AUTHORITY_INCOMPLETE, AUTHORITY_INVALID, AUTHORITY_EXPIRED, AUTHORITY_TOO_SHORT
 */
export async function openAuthority(request: AuthorityRequest): Promise<Authority> {
  const { directory, files, batch, levels = DEFAULT_LEVELS } = request;
  const places = (line: string): Place[] =>
    levels.map((level, depth) => ({ level, stem: authorityStem(level, line, batch), below: levels.length - 1 - depth }));
  const there = new Map<string, Issuer | undefined>();
  // Without lines the root is wanted all the same: it vouches for the manifest.
  for (const line of request.lines.length > 0 ? request.lines : [undefined]) {
    let above: { stem: string; issuer: Issuer | undefined } | undefined;
    for (const place of line === undefined ? places(INDIVIDUAL_LINE).filter(({ level }) => level === 'root') : places(line)) {
      if (!there.has(place.stem)) there.set(place.stem, await readIssuer(request, place));
      const issuer = there.get(place.stem);
      if (issuer !== undefined) checkPlaced(issuer, place, above, directory);
      above = { stem: place.stem, issuer };
    }
  }

  await files.makeFolder(directory, MODE.folder);
  const made: string[] = [];
  const chainOf = async (places: readonly Place[]): Promise<Issuer[]> => {
    const chain: Issuer[] = [];
    for (const place of places) {
      const issuer = there.get(place.stem) ?? (await makeIssuer(request, place, chain[0], made));
      there.set(place.stem, issuer);
      chain.unshift(issuer);
    }
    return chain;
  };
  const root = levels.includes('root') ? (await chainOf(places(INDIVIDUAL_LINE).filter(({ level }) => level === 'root')))[0] : undefined;
  const chains = new Map<string, IssuerChain>();
  for (const line of request.lines) {
    const [signer, ...above] = await chainOf(places(line));
    if (signer !== undefined) chains.set(line, [signer, ...above]);
  }
  const tops = new Set([...chains.values()].flatMap((chain) => chain.slice(-1)));
  return { root, chains, tops: [...tops], levels, made };
}

/**
 * A CA with its proof of possession: a certificate for a verification code that is drawn here, signed by the CA's key.
 * Source: iot-dps/how-to-verify-certificates.
 */
export async function proveTop(top: Issuer, time: { clock: Clock; entropy: Entropy }): Promise<ProvedCertificate> {
  return proveWithCode(top, time.entropy.bytes(24).toString('hex').toUpperCase(), time);
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

/** Where a CA stands, and how many CAs may stand below it. */
interface Place extends IssuerPlace {
  below: number;
}

/** Days that a CA is good for, where the one above is good for as long. */
const DAYS: Record<AuthorityLevel, number> = { root: ROOT_DAYS, line: LINE_DAYS, batch: LINE_DAYS };

/** A CA that was there stands where it should: issued by the one above (or itself), with room below. */
function checkPlaced(
  issuer: Issuer,
  { stem, below }: Place,
  above: { stem: string; issuer: Issuer | undefined } | undefined,
  directory: string,
): void {
  const path = join(directory, `${stem}.pem`);
  if (above === undefined) checkIssued(issuer, issuer, path);
  else checkBelow(issuer, above, directory, stem);
  checkRoom(issuer, below, path);
}

/** A key for a CA: in its token where there is one, else in memory until {@link save} writes it. */
async function makeAuthorityKey(
  { custody }: AuthorityRequest,
  { level, stem }: Place,
): Promise<{ publicKey: Buffer; key: KeyObject | Signer }> {
  const token = custody?.(level).token;
  if (token !== undefined) {
    const { publicKey, signer } = token.findOrMake(tokenLabel(stem));
    return { publicKey, key: signer };
  }
  const { privateKey, publicKey } = await makeKeyPair();
  return { publicKey: publicKeyBytes(publicKey), key: privateKey };
}

async function makeIssuer(request: AuthorityRequest, place: Place, above: Issuer | undefined, made: string[]): Promise<Issuer> {
  const { batch, clock, entropy } = request;
  const { level, below } = place;
  // Two CAs of one name would confuse whoever looks an issuer up by its name.
  const commonName = `${batch} ${level} ${entropy.bytes(4).toString('hex')}`;
  const serialNumber = drawSerialNumber(entropy);
  const { publicKey, key } = await makeAuthorityKey(request, place);
  const validity = validityFrom(clock, DAYS[level], above?.certificate);
  // A root is shared by batches of different depths.
  const authority = level === 'root' ? {} : { pathLength: below };
  const content = { commonName, publicKey, serialNumber, validity, authority };
  const pem = above === undefined ? await selfSign(content, key) : await issueCertificate(content, above);
  return save(request, place, pem, key, made);
}

async function save(
  { directory, files, custody }: AuthorityRequest,
  { level, stem }: Place,
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
    { path: paths.key, bytes: privateKeyPem(key, custody?.(level).passphrase), mode: MODE.secret },
    { path: paths.certificate, bytes: pem, mode: MODE.open },
  );
  made.push(paths.key, paths.certificate);
  return issuerOf(pem, key);
}
