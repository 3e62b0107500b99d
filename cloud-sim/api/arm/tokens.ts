import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { sameBytes } from '@zerotouch/azure-wire/keys';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { AuthorityRecord, PrincipalRecord, Store } from '../../store/store.js';
import { generatedKey, guid } from '../../unique.js';
import { armChoices } from './choices.js';

/** The one tenant; in the ADFS form of sign-in it is told in no URL. */
export const TENANT = '7d1a6f3e-0c52-4b8a-9f17-2e5c8b4d6a90';
/** The one service principal of a local cloud. */
export const OPERATOR_ID = '5a0c7f1e-2b64-4d39-9e8b-6f3d1c2a4b70';
/** Seconds that an access token is good. */
export const TOKEN_SECONDS = armChoices.tokenSeconds.value;

const ISSUER = 'zerotouch local cloud';
const ALGORITHM = 'ES256';
const KEY_ID = 'local';
/** Key of the record of the pair of keys that tokens are signed with. */
const PAIR = 'tokens';

/** The service principal that may do everything; made when it is missing, kept with the store. Its secret is a secret. */
export async function keptOperator({ principals }: Pick<Store, 'principals'>, entropy: Entropy): Promise<PrincipalRecord> {
  const fresh = { clientId: OPERATOR_ID, secret: generatedKey(entropy).replace(/[^A-Za-z0-9]/g, '') };
  return principals.update(OPERATOR_ID, (current) => current ?? fresh);
}

/** Whether this is the secret of the principal. */
export function isSecretOf({ secret }: PrincipalRecord, given: string): boolean {
  return sameBytes(Buffer.from(secret), Buffer.from(given));
}

/** Access tokens of the local cloud: JSON Web Tokens (RFC 7519), signed and checked here. */
export class Tokens {
  readonly #store: Pick<Store, 'authority'>;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  #pair: Promise<AuthorityRecord> | undefined;

  constructor({ store, clock, entropy }: { store: Pick<Store, 'authority'>; clock: Clock; entropy: Entropy }) {
    this.#store = store;
    this.#clock = clock;
    this.#entropy = entropy;
  }

  /** @param audience the resource that the token is for, a URL */
  async issue(clientId: string, audience: string): Promise<string> {
    const { SignJWT } = await import('jose');
    const now = Math.floor(this.#clock.now() / 1000);
    return new SignJWT({ appid: clientId, tid: TENANT, ver: '1.0' })
      .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID, typ: 'JWT' })
      .setIssuer(ISSUER)
      .setAudience(audience)
      .setSubject(clientId)
      .setJti(guid(this.#entropy))
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + TOKEN_SECONDS)
      .sign(createPrivateKey((await this.#keys()).privateKey));
  }

  /** @returns why the token is not good, or `undefined` when it is */
  async flawOf(token: string, isAudience: (audience: string) => boolean): Promise<string | undefined> {
    const { jwtVerify } = await import('jose');
    try {
      const { payload } = await jwtVerify(token, createPublicKey((await this.#keys()).certificate), {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        requiredClaims: ['exp', 'aud', 'sub'],
        currentDate: new Date(this.#clock.now()),
      });
      const audiences = [payload.aud ?? []].flat();
      return audiences.some(isAudience) ? undefined : `the token is for ${audiences.join(', ')}`;
    } catch (error) {
      return error instanceof Error ? error.message : 'the token cannot be read';
    }
  }

  /** The public key as a JSON Web Key Set (RFC 7517). */
  async keySet(): Promise<{ keys: object[] }> {
    const { exportJWK } = await import('jose');
    const jwk = await exportJWK(createPublicKey((await this.#keys()).certificate));
    return { keys: [{ ...jwk, kid: KEY_ID, alg: ALGORITHM, use: 'sig' }] };
  }

  #keys(): Promise<AuthorityRecord> {
    this.#pair ??= this.#keptPair();
    return this.#pair;
  }

  async #keptPair(): Promise<AuthorityRecord> {
    const { authority } = this.#store;
    const known = await authority.get(PAIR);
    if (known !== undefined) return known;
    const { publicKey, privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    return authority.update(PAIR, (current) => current ?? { certificate: publicKey, privateKey });
  }
}
