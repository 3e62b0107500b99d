import { X509Certificate } from 'node:crypto';
import type { InspectedField, InspectedImage, InspectedPartition } from '@zerotouch/flash-image/inspect';
import type { InspectedSlots } from '@zerotouch/flash-image/inspect-slots';

/** What stands in the place of a secret. */
export const MASK = '********';

/** What a certificate says, for people who compare it with an enrolment. */
export interface CertificateSummary {
  subject: string;
  issuer: string;
  /** ISO 8601, UTC. */
  notBefore: string;
  notAfter: string;
  /** SHA-256 of the certificate, upper-case hexadecimal, as Azure shows it. */
  thumbprint: string;
}

/** A field with what can be said about it; the value of a secret is {@link MASK} unless it was asked for. */
export interface TreeField extends InspectedField {
  certificates?: CertificateSummary[];
  /** What the device keeps of its own, where it is JSON. */
  document?: Record<string, unknown>;
}

/** Who the device says it is; `null` where the image does not tell. */
export interface TreeIdentity {
  registrationId: string | null;
  serial: string | null;
  idScope: string | null;
  endpoint: string | null;
  attestation: 'x509' | 'symmetric-key' | null;
}

/** An image as `zerotouch inspect` shows it. */
export interface ImageTree {
  image: string;
  /** Bytes. */
  size: number;
  /** How NVS and private key are hidden. */
  encryption: InspectedImage['encryption'];
  identity: TreeIdentity;
  partitions: (Omit<InspectedPartition, 'fields'> & { fields: TreeField[] })[];
  /** Which application is booted, and what `otadata` says; `null` where there are no slots. */
  slots: InspectedSlots | null;
}

/** The tree of an image. */
export function imageTree(image: string, { size, encryption, partitions, slots }: InspectedImage, reveal: boolean): ImageTree {
  const burnt = partitions.filter(({ name, readOnly, holds }) => readOnly || name === 'fctry' || holds === 'secure-cert');
  const fields = burnt.flatMap((partition) => partition.fields);
  return {
    image,
    size,
    encryption,
    identity: identityOf(fields),
    partitions: partitions.map((partition) => ({ ...partition, fields: partition.fields.map((field) => treeField(field, reveal)) })),
    slots,
  };
}

/** The tree in words, a line a thing. */
export function treeWords({ image, size, encryption, identity, partitions, slots }: ImageTree): string {
  const { registrationId, serial, idScope, endpoint, attestation } = identity;
  const lines = [
    `${image}: ${size} bytes${encryption === 'none' ? '' : `, encrypted (${encryption})`}`,
    `  device ${registrationId ?? '-'}, serial ${serial ?? '-'}, ${attestation ?? 'no attestation'}; ID scope ${idScope ?? '-'} at ${endpoint ?? '-'}`,
  ];
  for (const { name, offset, size: length, readOnly, present, damage, fields } of partitions) {
    lines.push(
      `  ${name.padEnd(16)} ${hex(offset)}  ${length} bytes${readOnly ? ', read-only' : ''}${present ? '' : ', not in this file'}`,
    );
    lines.push(...fields.flatMap(fieldWords), ...damage.map((message) => `    to be repaired: ${message}`));
  }
  if (slots !== null) lines.push(...slotWords(slots));
  if (partitions.some(({ fields }) => fields.some(({ value }) => value === MASK))) lines.push('Secrets are masked; --reveal shows them.');
  return lines.join('\n');
}

function slotWords({ boots, onTrial, entries, active, slots }: InspectedSlots): string[] {
  return [
    `  the next start boots ${boots === null ? 'nothing' : `${boots}${onTrial ? ', on trial' : ''}`}`,
    ...entries.map(({ offset, entry, sequence, state, slot }, index) => {
      const said =
        entry === 'whole' ? `${slot}, sequence ${sequence}, ${state}, CRC32 matches${index === active ? ', counts' : ''}` : entry;
      return `    ${hex(offset)}  otadata[${index}]  ${said}`;
    }),
    ...slots.map(
      ({ name, offset, application, length }) =>
        `    ${hex(offset)}  ${name}  ${SLOT_WORDS[application]}${length === null ? '' : `, ${length} bytes`}`,
    ),
  ];
}

const SLOT_WORDS: Record<InspectedSlots['slots'][number]['application'], string> = {
  whole: 'a whole application',
  none: 'empty',
  damaged: 'damaged: no bootloader starts it',
  absent: 'not in this file',
};

function identityOf(fields: readonly InspectedField[]): TreeIdentity {
  const has = (name: string): boolean => fields.some((field) => field.name === name);
  const text = (name: string): string | null => {
    const value = fields.find((field) => field.name === name)?.value;
    return typeof value === 'string' ? value : null;
  };
  return {
    registrationId: text('dps/reg_id'),
    serial: text('dps/serial'),
    idScope: text('dps/id_scope'),
    endpoint: text('dps/endpoint'),
    attestation: has('device certificate') ? 'x509' : has('dps/sym_key') ? 'symmetric-key' : null,
  };
}

function treeField(field: InspectedField, reveal: boolean): TreeField {
  if (field.secret && !reveal) {
    const { encoding: _, ...masked } = field;
    return { ...masked, value: MASK };
  }
  const document = documentIn(field);
  if (document !== undefined) return { ...field, document };
  const certificates = typeof field.value === 'string' ? certificatesIn(field.value) : [];
  return certificates.length === 0 ? field : { ...field, certificates };
}

/** What the device itself keeps (assignment, configuration) is JSON in a blob: shown as what it says. */
function documentIn({ name, encoding, value }: InspectedField): Record<string, unknown> | undefined {
  if (!name.startsWith('zerotouch/') || encoding !== 'base64' || typeof value !== 'string') return undefined;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(value, 'base64').toString('utf8'));
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

function certificatesIn(text: string): CertificateSummary[] {
  const pems = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return pems.flatMap((pem) => {
    try {
      return [summaryOf(new X509Certificate(pem))];
    } catch {
      // Looks like one and is none: its text is shown as any other value.
      return [];
    }
  });
}

function summaryOf(certificate: X509Certificate): CertificateSummary {
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    thumbprint: certificate.fingerprint256.replaceAll(':', ''),
  };
}

function fieldWords({ name, offset, value, certificates, document }: TreeField): string[] {
  const head = `    ${hex(offset)}  ${name}`;
  if (certificates === undefined) return [`${head}  ${shorten(value === MASK ? MASK : JSON.stringify(document ?? value))}`];
  return [
    head,
    ...certificates.map(
      ({ subject, issuer, notBefore, notAfter, thumbprint }) =>
        `      ${subject}, issued by ${issuer}, ${notBefore.slice(0, 10)} to ${notAfter.slice(0, 10)}, SHA-256 ${thumbprint}`,
    ),
  ];
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 197)}...` : text;
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
