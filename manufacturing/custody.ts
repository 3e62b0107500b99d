import { type AuthorityLevel, authorityLevels } from './authority-levels.js';
import { InputFault } from './input-faults.js';
import type { AuthoritySpec } from './spec-schema.js';
import type { Token } from './token.js';

/** How one CA key is kept: in a token, encrypted in its file, or (neither) plain in its file. Secret. */
export interface Custody {
  passphrase?: string | undefined;
  token?: Token | undefined;
}

/** What a spec's references to secrets stand for. Secret. */
export interface CustodySecrets {
  /** Of the custody that all levels share, whatever its reference is. */
  passphrase?: string | undefined;
  /** By reference, as the spec writes it: `env:LINE_PIN`. */
  secrets?: Readonly<Record<string, string>> | undefined;
}

/** A reference to a secret in a spec, and the field it stands in. */
export interface SecretReference {
  where: string;
  reference: string;
}

type CustodySpec = Pick<AuthoritySpec, 'passphrase' | 'token'>;
type OwnCustody = Readonly<Partial<Record<AuthorityLevel, CustodySpec | undefined>>>;

/** Every secret that a spec wants for its CA keys. */
export function secretReferences(authority: AuthoritySpec | undefined): SecretReference[] {
  if (authority === undefined) return [];
  const own: OwnCustody = authority.custody ?? {};
  const levels = authorityLevels.map((level): [string, CustodySpec] => [`authority.custody.${level}`, own[level] ?? {}]);
  return [['authority', authority] satisfies [string, CustodySpec], ...levels].flatMap(([path, { passphrase, token }]) => [
    ...(passphrase === undefined ? [] : [{ where: `${path}.passphrase`, reference: passphrase }]),
    ...(token === undefined ? [] : [{ where: `${path}.token.pin`, reference: token.pin }]),
  ]);
}

/**
 * Makes sure that every secret a spec wants was given.
 * @throws InputFault PASSPHRASE
 */
export function checkSecrets(authority: AuthoritySpec | undefined, { passphrase, secrets = {} }: CustodySecrets): void {
  for (const { where, reference } of secretReferences(authority)) {
    const shared = where === 'authority.passphrase' || where === 'authority.token.pin';
    if (secrets[reference] !== undefined || (shared && passphrase !== undefined)) continue;
    throw new InputFault('PASSPHRASE', 'the spec wants a secret for the CA keys, and none was given', {
      where,
      expected: `what ${reference} holds`,
    });
  }
}

/**
 * How the key of each level is kept; tokens are entered here.
 * @throws InputFault TOKEN_...
 */
export async function openCustody(
  authority: AuthoritySpec | undefined,
  { passphrase, secrets = {} }: CustodySecrets,
): Promise<(level: AuthorityLevel) => Custody> {
  const open = async (spec: CustodySpec, shared: string | undefined): Promise<Custody> => {
    const secretOf = (reference: string): string => secrets[reference] ?? shared ?? '';
    if (spec.token === undefined) return { passphrase: spec.passphrase === undefined ? shared : secretOf(spec.passphrase) };
    // Loaded only where it is used: it stands on a native package that most do without.
    const { openToken } = await import('./token.js');
    return { token: openToken({ ...spec.token, pin: secretOf(spec.token.pin) }) };
  };
  const shared = await open(authority ?? {}, passphrase);
  const own = new Map<AuthorityLevel, Custody>();
  for (const level of authorityLevels) {
    const custody = authority?.custody?.[level];
    if (custody !== undefined) own.set(level, await open(custody, undefined));
  }
  return (level) => own.get(level) ?? shared;
}
