import { join } from 'node:path';
import { ENROLMENT_FILE, type IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import type { Layout } from '@zerotouch/flash-image/layout';
import type { Clock } from '@zerotouch/foundation/clock';
import { type BatchSources, individualEntropy } from './batch-sources.js';
import { drawKeys } from './credentials.js';
import { enrolIndividually, enrolmentFile } from './enrol.js';
import { type Files, MODE, writePartsDurably } from './files.js';
import type { DeviceRecord, DeviceState, IdentityRecord, Ledger } from './ledger/ledger.js';
import { macText } from './mac.js';
import { MANIFEST_FILE, type ManifestDevice, manifestHead } from './manifest.js';
import { manifestLines } from './manifest-write.js';
import { imageName, usable } from './out-folder.js';
import { groupAt } from './plan.js';
import type { BatchSpec } from './spec-schema.js';

/** Where the documents of a batch come from and go to. */
export interface Documents {
  spec: BatchSpec;
  out: string;
  sources: BatchSources;
  ledger: Ledger;
  clock: Clock;
  files: Files;
}

/** What a manifest needs beside: the layout of every image. */
export interface ManifestDocuments extends Documents {
  layout: Layout;
}

/** States of devices that have an image and an enrolment. */
const BURNT: readonly DeviceState[] = ['burnt', 'verified', 'shipped', 'quarantined', 'returned'];

/**
 * Writes `enrolments.json` (0600) from the ledger: the individual enrolments of what is burnt, a line each. Without a ledger, those of none.
 * @throws ManufacturingFault OUT_UNUSABLE
 */
export async function writeEnrolments({
  spec,
  out,
  sources,
  files,
  ledger,
}: Omit<Documents, 'ledger'> & { ledger?: Ledger }): Promise<string> {
  const path = join(out, ENROLMENT_FILE);
  const { enrollments: _, ...head } = enrolmentFile(spec, { ...sources, individuals: [] });
  async function* parts(): AsyncGenerator<string> {
    yield `${JSON.stringify(head, undefined, 2).replace(/\n}$/, '')},\n  "enrollments": [`;
    let first = true;
    if (ledger !== undefined && spec.groups.some(({ enrolment }) => enrolment === 'individual')) {
      for await (const device of ledger.devices(spec.batch, { states: BURNT })) {
        const enrolment = enrolmentOf(spec, sources, device);
        if (enrolment === undefined) continue;
        yield `${first ? '' : ','}\n    ${JSON.stringify(enrolment)}`;
        first = false;
      }
    }
    yield first ? ']\n}\n' : '\n  ]\n}\n';
  }
  await usable(path, () => writePartsDurably(files, path, parts(), MODE.secret));
  return path;
}

/**
 * Writes the signed manifest from the ledger, in the order of the plan.
 * @throws ManufacturingFault OUT_UNUSABLE
 */
export async function writeManifest({ spec, out, sources, ledger, clock, files, layout }: ManifestDocuments): Promise<string> {
  const path = join(out, MANIFEST_FILE);
  const head = manifestHead({ spec, authority: sources.authority, layout, madeAt: clock.now() });
  async function* devices(): AsyncGenerator<ManifestDevice> {
    for await (const device of ledger.devices(spec.batch, { states: BURNT })) yield manifestEntry(spec, device);
  }
  await usable(path, () => writePartsDurably(files, path, manifestLines(head, devices(), sources.signer), MODE.open));
  return path;
}

/** What the manifest says of a device that is burnt. */
export function manifestEntry(spec: BatchSpec, { position, registrationId, serial, mac, identity }: DeviceRecord): ManifestDevice {
  const { attestation, enrolment, enrolmentGroup, certificateRequests } = groupAt(spec, position);
  const { certificateSerial, thumbprint, notAfter, partitions = {} } = identity ?? {};
  const certified = certificateSerial !== undefined && thumbprint !== undefined && notAfter !== undefined;
  return {
    registrationId,
    serial,
    ...(mac === undefined ? {} : { mac: macText(Number.parseInt(mac, 16)) }),
    attestation,
    enrolment,
    ...(enrolmentGroup === undefined ? {} : { enrolmentGroup }),
    image: imageName(registrationId),
    ...(certificateRequests === undefined ? {} : { key: 'elsewhere' as const }),
    ...(certified ? { certificate: { serialNumber: certificateSerial, thumbprint, notAfter } } : {}),
    partitions,
  };
}

/** A device with the identity that it was burnt with. */
export interface IdentifiedDevice extends Pick<DeviceRecord, 'position' | 'registrationId' | 'serial'> {
  readonly identity?: IdentityRecord;
}

/** The enrolment of a device that is burnt; `undefined` where its group's lets it in. */
export function enrolmentOf(
  spec: BatchSpec,
  { individualSecret }: BatchSources,
  { position, registrationId, serial, identity }: IdentifiedDevice,
): IndividualEnrolment | undefined {
  const group = groupAt(spec, position);
  if (group.enrolment !== 'individual' || identity === undefined) return undefined;
  const device = { registrationId, serial, group };
  if (identity.certificate !== undefined) return enrolIndividually(device, { kind: 'x509', leafPem: identity.certificate });
  if (group.attestation === 'tpm')
    return identity.publicKey === undefined ? undefined : enrolIndividually(device, { kind: 'tpm', endorsementKey: identity.publicKey });
  if (individualSecret === undefined) return undefined;
  return enrolIndividually(device, { kind: 'own-keys', keys: drawKeys(individualEntropy(individualSecret, identity.id)) });
}
