import { createSecureContext, type SecureContext } from 'node:tls';
import type { Attestation } from '@zerotouch/firmware-sim/identity/attestation';
import { clientCertificate } from '@zerotouch/firmware-sim/transport/sign-in';

/** The newest TLS that a fleet speaks. Azure IoT documents 1.2; that is also what costs least. */
export type TlsVersion = '1.2' | '1.3';

/**
 * The TLS context of each device: made from its certificate when it is needed, used for DPS and hub, given back after. Making one costs as much as
 * a handshake. Devices without a certificate share one.
 */
export class Contexts {
  readonly #maxVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly #own = new WeakMap<Attestation, SecureContext>();
  readonly #shared = new Map<string, SecureContext>();

  constructor(newest: TlsVersion = '1.2') {
    this.#maxVersion = `TLSv${newest}`;
  }

  /**
   * The context of a device.
   * @param ca of the server, PEM; absent: the runtime's own trust store
   * @throws what `node:tls` says of a certificate or key it cannot use
   */
  of(attestation: Attestation, ca: string | undefined): SecureContext {
    const certificate = clientCertificate(attestation);
    if (certificate === undefined) return this.#sharedBy(ca ?? '');
    const known = this.#own.get(attestation);
    if (known !== undefined) return known;
    const made = createSecureContext({ ...certificate, ...this.#settings(ca) });
    this.#own.set(attestation, made);
    return made;
  }

  /** The device has no more use for its own. */
  giveBack(attestation: Attestation): void {
    this.#own.delete(attestation);
  }

  #sharedBy(ca: string): SecureContext {
    const known = this.#shared.get(ca);
    if (known !== undefined) return known;
    const made = createSecureContext(this.#settings(ca === '' ? undefined : ca));
    this.#shared.set(ca, made);
    return made;
  }

  #settings(ca: string | undefined): object {
    return { minVersion: 'TLSv1.2', maxVersion: this.#maxVersion, ...(ca === undefined ? {} : { ca }) };
  }
}
