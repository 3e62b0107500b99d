import { FINDINGS, type Finding, type FindingCode } from '../audit/findings.js';
import { escapeXml } from '../labels/labels.js';
import { DEVICE_STATES, type DeviceState, type EventRecord } from '../ledger/records.js';
import type { ManifestHead } from '../manifest-record.js';

/** What a report is made of. */
export interface ReportParts {
  head: ManifestHead;
  /** SHA-256 of the manifest, lower-case hexadecimal: what ties the paper to the files. */
  manifestHash: string;
  /** Devices by attestation, enrolment and group, as the manifest has them. */
  groups: readonly { name: string; attestation: string; devices: number; first: string; last: string }[];
  /** Devices by state; absent where there is no ledger. */
  states?: Partial<Record<DeviceState, number>> | undefined;
  /** What happened to the batch as a whole. */
  events?: readonly EventRecord[] | undefined;
  audit: { images: number; errors: number; warnings: number; findings: readonly Finding[] };
  /** Milliseconds since 1970. */
  madeAt: number;
}

/** Places of one finding that are printed; the others are counted. */
const PLACES_SHOWN = 3;
const LONG_WORD = /\S{25}/;

/**
 * The report of a batch, for a quality manager to sign and to file: one page of HTML that needs no other file and runs no script. No secret is in it.
 */
export function batchReport({ head, manifestHash, groups, states, events = [], audit, madeAt }: ReportParts): string {
  const { batch, idScope, endpoint, tool, authority } = head;
  const { images, errors, warnings, findings } = audit;
  const verdict = errors > 0 ? 'Do not ship' : warnings > 0 ? 'May ship; see the warnings' : 'May ship';
  const facts: [string, string][] = [
    ['Burnt', head.madeAt],
    ['Reported', new Date(madeAt).toISOString()],
    ['Tool', tool],
    ['ID scope', idScope],
    ['Endpoint', endpoint],
    ['Root certificate, SHA-256', authority?.root?.thumbprint ?? 'none: no device has a certificate'],
    ['Root good until', authority?.root?.notAfter.slice(0, 10) ?? '-'],
    ['Manifest, SHA-256', manifestHash],
  ];
  return page(
    `Batch ${batch}`,
    [
      `<p class="verdict ${errors > 0 ? 'bad' : 'good'}">${verdict}: ${images} images audited, ${errors} errors, ${warnings} warnings.</p>`,
      table(undefined, facts),
      '<h2>Devices</h2>',
      table(
        ['Enrolment', 'Attestation', 'Devices', 'First', 'Last'],
        groups.map(({ name, attestation, devices, first, last }) => [name, attestation, String(devices), first, last]),
      ),
      ...(states === undefined
        ? []
        : [
            '<h2>Ledger</h2>',
            table(
              ['State', 'Devices'],
              DEVICE_STATES.flatMap((state) => (states[state] ? [[state, String(states[state])]] : [])),
            ),
          ]),
      ...(events.length === 0
        ? []
        : [
            '<h2>What happened to it</h2>',
            table(
              ['Time', 'What', 'Group', 'Reason', 'Who'],
              events.map(({ at, kind, subject, reason, station, operator }) => [
                new Date(at).toISOString(),
                kind,
                subject === '' ? 'all' : subject,
                reason,
                operator === undefined ? station : `${operator} at ${station}`,
              ]),
            ),
          ]),
      '<h2>Findings</h2>',
      findings.length === 0
        ? '<p>None.</p>'
        : table(['Severity', 'Code', 'Times', 'What is wrong', 'Remedy', 'Where'], findingRows(findings)),
      '<p class="sign"><span>Name</span><span>Date</span><span>Signature</span></p>',
    ].join('\n'),
  );
}

/** A row for each code, errors first: one mistake in a spec is a finding of every device. */
function findingRows(findings: readonly Finding[]): string[][] {
  const kinds = new Map<string, { severity: Finding['severity']; code: FindingCode; found: Finding[] }>();
  for (const finding of findings) {
    const { severity, code } = finding;
    const kind = kinds.get(`${severity} ${code}`) ?? { severity, code, found: [] };
    kinds.set(`${severity} ${code}`, kind);
    kind.found.push(finding);
  }
  const inOrder = [...kinds.values()].sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error'));
  return inOrder.map(({ severity, code, found }) => {
    const { reason, remedy } = FINDINGS[code];
    const places = found.slice(0, PLACES_SHOWN).map((one) => {
      const place = one.image === null ? one.where : `${one.image}: ${one.where}`;
      return one.reason === reason ? place : `${place}${one.reason.slice(reason.length)}`;
    });
    const others = found.length - places.length;
    return [severity, code, String(found.length), reason, remedy, [...places, ...(others > 0 ? [`and ${others} more`] : [])].join('; ')];
  });
}

function table(head: readonly string[] | undefined, rows: readonly (readonly string[])[]): string {
  // Ids and hashes may break anywhere; where all cells might, a column of words would be one letter wide.
  const cellOf = (text: string, tag: string) => `<${tag}${LONG_WORD.test(text) ? ' class="long"' : ''}>${escapeXml(text)}</${tag}>`;
  const row = (cells: readonly string[], tag: string) => `<tr>${cells.map((cell) => cellOf(cell, tag)).join('')}</tr>`;
  return `<table>${head === undefined ? '' : row(head, 'th')}${rows.map((cells) => row(cells, 'td')).join('')}</table>`;
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeXml(title)}</title>
<style>
@page { size: A4; margin: 15mm }
body { font: 10pt/1.4 sans-serif; max-width: 180mm; margin: auto; color: #111; background: #fff }
table { border-collapse: collapse; width: 100% } td, th { border: 1px solid #bbb; padding: 1mm 2mm; text-align: left; vertical-align: top; overflow-wrap: break-word }
td.long { overflow-wrap: anywhere }
.verdict { font-size: 13pt; font-weight: bold; padding: 2mm 3mm; border: 2px solid } .good { color: #075e1a } .bad { color: #a00 }
.sign { display: flex; gap: 5mm; margin-top: 15mm } .sign span { flex: 1; border-top: 1px solid #111; padding-top: 1mm }
</style></head><body>
<h1>${escapeXml(title)}</h1>
${body}
</body></html>
`;
}
