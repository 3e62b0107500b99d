import { FINDINGS, type Finding, type FindingCode } from '@zerotouch/manufacturing/audit/audit';
import t from 'tap';
import { batchCases } from './batch-cases.js';
import { imageCases, soundImages } from './image-cases.js';

const codes = Object.keys(FINDINGS) as FindingCode[];

t.test('every finding has an image that triggers it and one that does not', async (t) => {
  const ofBatches = await batchCases(t.testdir());
  t.strictSame(
    codes.filter((code) => imageCases[code] === undefined && ofBatches[code] === undefined),
    [],
    'no code is without a case',
  );
  t.strictSame(soundImages(), [], 'the sound images have no finding at all');
  for (const cases of [imageCases, ofBatches]) {
    for (const [code, { bad, good }] of Object.entries(cases)) {
      const [triggered, clean] = [await bad(), await good()];
      const told = triggered.filter((finding) => finding.code === code);
      t.not(told.length, 0, `${code} is found, not only ${codesOf(triggered)}`);
      t.notOk(
        clean.some((finding) => finding.code === code),
        `${code} is not found where it is not`,
      );
      const { severity, reason, remedy } = FINDINGS[code as FindingCode];
      for (const finding of told) {
        t.match(finding, { image: finding.image === null ? null : String, where: /./, remedy });
        t.ok(finding.reason.startsWith(reason), code);
        if (code !== 'IMAGE_FIELDED') t.equal(finding.severity, severity);
        t.notMatch(JSON.stringify(finding), /PRIVATE KEY/);
      }
    }
  }
});

t.test('every finding is one line of plain words', (t) => {
  for (const [code, { reason, remedy }] of Object.entries(FINDINGS)) {
    for (const text of [reason, remedy]) t.match(text, /^[^\n]{5,180}$/, code);
    t.notMatch(reason, /\.$/, code);
  }
  t.end();
});

function codesOf(findings: Finding[]): string {
  return [...new Set(findings.map(({ code }) => code))].join(', ') || 'nothing';
}
