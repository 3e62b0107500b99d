import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '@zerotouch/foundation/clock';
import type { AuthorityLevel } from './authority-levels.js';
import { type Issuer, issuerOf, publicKeyBytes } from './certificates.js';
import type { Custody } from './custody.js';
import { ManufacturingFault } from './faults.js';
import { type Files, finishPair } from './files.js';
import { InputFault } from './input-faults.js';
import { algorithmOf } from './signer.js';
import type { Token } from './token.js';

/** Where an authority is kept, and what it must be good for. */
export interface AuthorityFolder {
  /** Folder of the certificates and keys. */
  directory: string;
  /** Every certificate must be good until then; without it, now is enough. */
  until?: Date | undefined;
  clock: Clock;
  files: Files;
  /** How the key of each level is kept; plain files unless given. */
  custody?: ((level: AuthorityLevel) => Custody) | undefined;
}

/** Where a CA stands in a folder. */
export interface IssuerPlace {
  level: AuthorityLevel;
  /** Name of its files, without extension. */
  stem: string;
}

/** Label of a CA key in a token. */
export function tokenLabel(stem: string): string {
  return `zerotouch-${stem}`;
}

/**
 * The certificate and the key of one issuer, `STEM.pem` and `STEM.key`, checked by themselves; `undefined` where neither is there.
 * @throws ManufacturingFault AUTHORITY_INCOMPLETE, AUTHORITY_INVALID, AUTHORITY_EXPIRED, AUTHORITY_TOO_SHORT; InputFault PASSPHRASE
 */
export async function readIssuer(
  { directory, files, clock, until, custody }: AuthorityFolder,
  { level, stem }: IssuerPlace,
): Promise<Issuer | undefined> {
  const { passphrase, token } = custody?.(level) ?? {};
  const paths = { certificate: join(directory, `${stem}.pem`), key: join(directory, `${stem}.key`) };
  if (token !== undefined) return readTokenIssuer({ directory, files, clock, until, token }, stem);
  await finishPair(files, paths.key, paths.certificate);
  const [pem, keyPem] = await Promise.all([files.read(paths.certificate), files.read(paths.key)]);
  if (pem === undefined && keyPem === undefined) return undefined;
  if (pem === undefined || keyPem === undefined) {
    const [missing, there] = pem === undefined ? [paths.certificate, paths.key] : [paths.key, paths.certificate];
    throw new ManufacturingFault('AUTHORITY_INCOMPLETE', 'a certificate and its key belong together, and this one is missing', {
      where: missing,
      expected: `a file beside ${there}`,
      remedy: 'put it back; or, if nothing was ever issued with the other one, move that away',
    });
  }
  const certificate = parse(paths.certificate, 'a certificate in PEM', () => new X509Certificate(pem));
  const key = readKey(paths.key, keyPem.toString('latin1'), passphrase);
  checkAuthority(certificate, key, paths);
  checkDates(certificate, paths.certificate, clock, until);
  // Text around the PEM, or further certificates, stay out of what is handed on.
  return issuerOf(certificate.toString(), key);
}

/** A key without certificate is one that an earlier run made and did not come to use; it is used then. */
async function readTokenIssuer(
  { directory, files, clock, until, token }: Omit<AuthorityFolder, 'custody'> & { token: Token },
  stem: string,
): Promise<Issuer | undefined> {
  const path = join(directory, `${stem}.pem`);
  const pem = await files.read(path);
  if (pem === undefined) return undefined;
  const certificate = parse(path, 'a certificate in PEM', () => new X509Certificate(pem));
  const key = token.find(tokenLabel(stem));
  if (!certificate.ca || key === undefined || !key.publicKey.equals(publicKeyBytes(certificate.publicKey))) {
    throw new ManufacturingFault('AUTHORITY_INCOMPLETE', 'the token does not hold the key of this certificate', {
      where: path,
      seen: key === undefined ? 'no key' : 'another key',
      expected: `the key ${tokenLabel(stem)}`,
      remedy: 'use the token that the authority was made with',
    });
  }
  checkDates(certificate, path, clock, until);
  return issuerOf(certificate.toString(), key.signer);
}

function readKey(path: string, pem: string, passphrase: string | undefined): KeyObject {
  // The two forms of an encrypted PEM: PKCS #8, and the older one with its headers.
  const encrypted = pem.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----') || pem.includes('Proc-Type: 4,ENCRYPTED');
  if (encrypted !== (passphrase !== undefined)) {
    throw new InputFault('PASSPHRASE', encrypted ? 'the key has a passphrase, and none was given' : 'the key has no passphrase', {
      where: path,
      expected: encrypted ? 'authority.passphrase in the spec' : 'a key that is encrypted with authority.passphrase',
      remedy: encrypted ? 'say where it is: env:NAME, @FILE or -' : 'encrypt it: openssl pkcs8 -topk8 -v2 aes-256-cbc',
    });
  }
  if (passphrase === undefined) return parse(path, 'a private key in PEM', () => createPrivateKey(pem));
  try {
    return createPrivateKey({ key: pem, passphrase });
  } catch {
    // Without the cause: what a parser says of a passphrase stays with it.
    throw new InputFault('PASSPHRASE', 'the key does not open with this passphrase', {
      where: path,
      expected: 'the passphrase it was written with',
    });
  }
}

function parse<T>(path: string, expected: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new ManufacturingFault('AUTHORITY_INVALID', 'the file cannot be read', { where: path, expected, cause });
  }
}

function checkAuthority(certificate: X509Certificate, key: KeyObject, paths: { certificate: string; key: string }): void {
  if (!certificate.ca) {
    throw new ManufacturingFault('AUTHORITY_INVALID', 'the certificate is not one of an authority', {
      where: paths.certificate,
      seen: certificate.subject,
      expected: 'basic constraints with CA:TRUE',
    });
  }
  if (!certificate.checkPrivateKey(key)) {
    throw new ManufacturingFault('AUTHORITY_INVALID', 'the key does not match its certificate', {
      where: paths.key,
      expected: `the key of ${paths.certificate}`,
    });
  }
  if (algorithmOf(key) === undefined) {
    const seen = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType;
    throw new ManufacturingFault('AUTHORITY_INVALID', 'the key is of a kind that cannot sign here', {
      where: paths.key,
      ...(seen === undefined ? {} : { seen }),
      expected: 'P-256, P-384, or RSA of 2048 bits and more',
    });
  }
}

function checkDates(certificate: X509Certificate, path: string, clock: Clock, until: Date | undefined): void {
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const seen = `${new Date(from).toISOString()} to ${new Date(to).toISOString()}`;
  const now = clock.now();
  if (now < from || now > to) {
    throw new ManufacturingFault('AUTHORITY_EXPIRED', now > to ? 'the certificate has expired' : 'the certificate is not valid yet', {
      where: path,
      seen,
      expected: `a certificate that is good at ${new Date(now).toISOString()}`,
      remedy: 'check the clock of this machine, or burn with another authority',
    });
  }
  if (until !== undefined && to < until.getTime()) {
    throw new ManufacturingFault('AUTHORITY_TOO_SHORT', 'the certificate expires before the device certificates would', {
      where: path,
      seen,
      expected: `good until ${until.toISOString()}`,
      remedy: 'set a shorter validity.days in the spec, or validity.beyondIssuer: clamp, or burn with another authority',
    });
  }
}

/**
 * A CA that was there needs the one that issued it.
 * @throws ManufacturingFault AUTHORITY_INCOMPLETE, AUTHORITY_INVALID
 */
export function checkBelow(issuer: Issuer, above: { stem: string; issuer: Issuer | undefined }, directory: string, stem: string): void {
  if (above.issuer === undefined) {
    throw new ManufacturingFault('AUTHORITY_INCOMPLETE', 'there is an intermediate, and its issuer is missing', {
      where: join(directory, `${above.stem}.pem`),
      expected: `the CA that issued ${stem}.pem`,
      remedy: `put ${above.stem}.pem and ${above.stem}.key back`,
    });
  }
  checkIssued(issuer, above.issuer, join(directory, `${stem}.pem`));
}

/**
 * Whether a CA may have so many further CAs below it. Source: RFC 5280, 4.2.1.9.
 * @throws ManufacturingFault AUTHORITY_INVALID
 */
export function checkRoom({ pathLength }: Issuer, below: number, path: string): void {
  if (pathLength === undefined || pathLength >= below) return;
  throw new ManufacturingFault('AUTHORITY_INVALID', 'the path length of the CA leaves no room for the intermediates below it', {
    where: path,
    seen: pathLength,
    expected: `at least ${below}`,
    remedy: 'leave a level out of authority.levels, or move the CA away, and another one is made',
  });
}

/**
 * Whether one signed the other; with one issuer given twice, whether it is self-signed.
 * @throws ManufacturingFault AUTHORITY_INVALID
 */
export function checkIssued({ certificate }: Issuer, { certificate: issuer }: Issuer, path: string): void {
  if (certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)) return;
  throw new ManufacturingFault(
    'AUTHORITY_INVALID',
    certificate === issuer ? 'the root is not self-signed' : 'the CA above it did not issue it',
    {
      where: path,
      seen: certificate.issuer,
      expected: `issued and signed by ${issuer.subject}`,
    },
  );
}
