import { timestampUtc } from '@zerotouch/azure-wire/errors';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { readCertificate, subjectLine, thumbprint, validityAt } from '../certificates.js';
import { CloudFault } from '../faults.js';
import type { LimitValues } from '../limits.js';
import type { CertificateRecord, Tables } from '../store/store.js';
import { bareEtag, resourceEtag } from '../unique.js';
import { readAuthority, verifyPossession } from './possession.js';

/** A CA certificate of DPS or of a hub, as operators see it. */
export interface CertificateView {
  name: string;
  /** PEM. */
  certificate: string;
  /** In one line. */
  subject: string;
  /** SHA-256, upper-case hexadecimal. */
  thumbprint: string;
  /** End of its validity; UTC, ISO 8601. From then on no chain over it counts. */
  expiry: string;
  isExpired: boolean;
  /** Whether possession of its key was proved: without that it lets nobody in. */
  isVerified: boolean;
  /** The latest code that was asked for. */
  verificationCode?: string;
  etag: string;
  created: string;
  updated: string;
}

/** The CA certificates of DPS, or of a hub, and their proof of possession. Source: iot-dps/how-to-verify-certificates; swagger of the DPS resource. */
export interface CertificateService {
  list(): Promise<CertificateView[]>;
  get(name: string): Promise<CertificateView | undefined>;
  /**
   * Uploads a CA certificate, or replaces one; a replaced one that is another certificate has to be proved anew.
   * @param certificate PEM, or base64 of PEM or DER
   * @param options isVerified: trust it without a proof, as Azure allows; etag: only if it is still this one
   * @throws CloudFault CERTIFICATE_UNREADABLE, CERTIFICATE_UNPROVED (no CA), LIMIT_REACHED, ETAG_MISMATCH
   */
  upload(name: string, certificate: string, options?: { isVerified?: boolean; etag?: string }): Promise<CertificateView>;
  /**
   * Asks for a code that the CA's key shall sign; an older code is good no more.
   * @throws CloudFault CERTIFICATE_UNKNOWN, ETAG_MISMATCH
   */
  generateVerificationCode(name: string, etag?: string): Promise<CertificateView & { verificationCode: string }>;
  /**
   * Takes the proof: a certificate whose common name is the code, signed by the CA's key.
   * @throws CloudFault CERTIFICATE_UNKNOWN, CERTIFICATE_UNPROVED, CERTIFICATE_UNREADABLE, ETAG_MISMATCH
   */
  verify(name: string, proof: string, etag?: string): Promise<CertificateView>;
  /** @returns whether there was one. @throws CloudFault ETAG_MISMATCH */
  delete(name: string, etag?: string): Promise<boolean>;
}

/** What the certificates work with. */
export interface AuthoritiesParts {
  store: Pick<Tables, 'certificates'>;
  clock: Clock;
  entropy: Entropy;
  limits: LimitValues;
}

/** Keeps the CA certificates of DPS, or of a hub. */
export class Authorities implements CertificateService {
  readonly #parts: AuthoritiesParts;

  constructor(parts: AuthoritiesParts) {
    this.#parts = parts;
  }

  async list(): Promise<CertificateView[]> {
    return (await this.#parts.store.certificates.list()).map((record) => this.#view(record));
  }

  async get(name: string): Promise<CertificateView | undefined> {
    const record = await this.#parts.store.certificates.get(name);
    return record === undefined ? undefined : this.#view(record);
  }

  async upload(
    name: string,
    certificate: string,
    { isVerified, etag: wanted }: { isVerified?: boolean; etag?: string } = {},
  ): Promise<CertificateView> {
    const { store, limits } = this.#parts;
    const print = thumbprint(readAuthority(certificate, `certificate ${JSON.stringify(name)}`));
    if ((await store.certificates.get(name)) === undefined && (await store.certificates.count()) >= limits.certificateAuthorities) {
      throw new CloudFault('LIMIT_REACHED', 'no more CA certificates are taken', {
        where: name,
        expected: `at most ${limits.certificateAuthorities}, as Azure has it`,
        remedy: 'delete one, or change the option limits of the local cloud',
      });
    }
    return this.#write(name, wanted, (current) => {
      const same = current !== undefined && thumbprint(readCertificate(current.certificate, name)) === print;
      return { name, certificate, verified: isVerified ?? (same && current.verified) };
    });
  }

  async generateVerificationCode(name: string, wanted?: string): Promise<CertificateView & { verificationCode: string }> {
    // In the form of Azure's own codes: 48 hexadecimal digits.
    const verificationCode = this.#parts.entropy.bytes(24).toString('hex').toUpperCase();
    const view = await this.#write(name, wanted, (current) => ({ ...known(name, current), verificationCode }));
    return { ...view, verificationCode };
  }

  verify(name: string, proof: string, wanted?: string): Promise<CertificateView> {
    return this.#write(name, wanted, (current) => {
      const { verificationCode: code, ...record } = known(name, current);
      if (code === undefined) {
        throw new CloudFault('CERTIFICATE_UNPROVED', 'no verification code was asked for', {
          where: `certificate ${JSON.stringify(name)}`,
          remedy: 'generate a verification code first',
        });
      }
      verifyPossession({ name, certificate: record.certificate, verification: { code, certificate: proof } });
      return { ...record, verified: true };
    });
  }

  async delete(name: string, wanted?: string): Promise<boolean> {
    const { certificates } = this.#parts.store;
    let existed = false;
    await certificates.update(name, (current) => {
      existed = current !== undefined;
      if (current !== undefined) checkEtag(name, current, wanted);
      return undefined;
    });
    return existed;
  }

  async #write(
    name: string,
    wanted: string | undefined,
    change: (current: CertificateRecord | undefined) => CertificateRecord,
  ): Promise<CertificateView> {
    const { store, clock, entropy } = this.#parts;
    const now = timestampUtc(clock.now());
    const fresh = resourceEtag(entropy);
    const record = await store.certificates.update(name, (current) => {
      checkEtag(name, current, wanted);
      return { ...change(current), etag: fresh, created: current?.created ?? now, updated: now };
    });
    return this.#view(record);
  }

  #view({ name, certificate, verified, verificationCode, etag: tag = '', created = '', updated = '' }: CertificateRecord): CertificateView {
    const parsed = readCertificate(certificate, `certificate ${JSON.stringify(name)}`);
    return {
      name,
      certificate: parsed.toString(),
      subject: subjectLine(parsed),
      thumbprint: thumbprint(parsed),
      expiry: new Date(parsed.validTo).toISOString(),
      isExpired: validityAt(parsed, this.#parts.clock.now()) === 'expired',
      isVerified: verified,
      ...(verificationCode === undefined ? {} : { verificationCode }),
      etag: tag,
      created,
      updated,
    };
  }
}

function known(name: string, current: CertificateRecord | undefined): CertificateRecord {
  if (current !== undefined) return current;
  throw new CloudFault('CERTIFICATE_UNKNOWN', `there is no CA certificate ${JSON.stringify(name)}`, { remedy: 'upload it first' });
}

function checkEtag(name: string, current: CertificateRecord | undefined, wanted: string | undefined): void {
  if (wanted === undefined || wanted === '*' || bareEtag(wanted) === bareEtag(current?.etag ?? '\0')) return;
  throw new CloudFault('ETAG_MISMATCH', 'the certificate has changed since it was read', {
    where: `certificate ${JSON.stringify(name)}`,
    seen: wanted,
    expected: current?.etag ?? 'no etag: there is no such certificate',
    remedy: 'read it again',
  });
}
