import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { type PlannedDevice, planBatch } from '../plan.js';
import type { BatchSpec } from '../spec-schema.js';
import type { Tell } from './findings.js';
import type { ImageFacts } from './image-facts.js';

/** The devices that a spec plans, to be ticked off image by image. */
export class SpecIndex {
  readonly #spec: BatchSpec;
  readonly #serverRoots: string | undefined;
  readonly #planned: ReadonlyMap<string, PlannedDevice>;
  readonly #seen = new Set<string>();

  /** @param serverRoots what the files say that the spec names for them, PEM */
  constructor(spec: BatchSpec, serverRoots?: string) {
    this.#spec = spec;
    this.#serverRoots = serverRoots;
    this.#planned = new Map([...planBatch(spec).devices].map((device) => [canonicalRegistrationId(device.registrationId), device]));
  }

  /** How a device is meant to prove itself, where the spec knows it. */
  attestationOf(registrationId: string): string | undefined {
    return this.#planned.get(canonicalRegistrationId(registrationId))?.group.attestation;
  }

  /** Whether the spec has the key of a device kept elsewhere. */
  keyElsewhere(registrationId: string): boolean {
    return this.#planned.get(canonicalRegistrationId(registrationId))?.group.certificateRequests !== undefined;
  }

  /** Whether an image says what the spec says. */
  check({ factory, certificates, encryption }: ImageFacts, tell: Tell): void {
    if (factory === undefined) return;
    const id = canonicalRegistrationId(factory.registrationId);
    const planned = this.#planned.get(id);
    if (planned === undefined) {
      tell('NOT_IN_SPEC', 'partition fctry, dps/reg_id', factory.registrationId);
      return;
    }
    this.#seen.add(id);
    const { idScope, endpoint } = this.#spec;
    const expected = { idScope, endpoint, registrationId: planned.registrationId, serial: planned.serial };
    for (const field of ['idScope', 'endpoint', 'registrationId', 'serial'] as const) {
      if (factory[field] === expected[field]) continue;
      tell(
        'SPEC_MISMATCH',
        `partition fctry, ${field}`,
        `${JSON.stringify(factory[field])}, the spec has ${JSON.stringify(expected[field])}`,
      );
    }
    if (factory.serverRoots !== this.#serverRoots)
      tell('SPEC_MISMATCH', 'partition fctry, dps/srv_roots', 'the server roots are not those that the spec names');
    if (encryption !== this.#spec.encryption) {
      tell('SPEC_MISMATCH', 'image', `its encryption is ${encryption}, the spec has ${this.#spec.encryption}`);
    }
    if (planned.group.certificateRequests !== undefined && certificates?.device !== undefined && certificates.keyless !== true)
      tell('SPEC_MISMATCH', 'partition esp_secure_cert', 'it holds a private key, the spec has the keys elsewhere');
    const found = certificates?.device !== undefined ? 'x509' : factory.symmetricKey !== undefined ? 'symmetric-key' : undefined;
    const attestation: string = planned.group.attestation;
    if (found !== undefined && certificates !== undefined && found !== attestation) {
      tell('SPEC_MISMATCH', 'image', `it proves itself by ${found}, the spec has ${attestation}`);
    }
  }

  /** Planned devices that no image was seen of. */
  *missing(): Generator<PlannedDevice> {
    for (const [id, device] of this.#planned) if (!this.#seen.has(id)) yield device;
  }
}
