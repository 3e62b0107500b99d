import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { FleetFault } from '../faults.js';
import { reportPage } from './page.js';
import type { FleetReport } from './report.js';

/** The JSON twin of a report page. */
export function twinPath(page: string): string {
  return `${page.replace(/\.html?$/i, '')}.json`;
}

/** Writes the page of a report and its JSON twin, each whole or not at all. @throws the system's own error */
export async function writeReport(path: string, report: FleetReport): Promise<void> {
  await writeWhole(path, reportPage([report]));
  await writeWhole(twinPath(path), `${JSON.stringify(report, null, 1)}\n`);
}

/** Writes a page that shows runs side by side. */
export async function writeComparison(path: string, reports: readonly FleetReport[]): Promise<void> {
  await writeWhole(path, reportPage(reports));
}

const shape = z.looseObject({
  version: z.literal(1),
  name: z.string(),
  at: z.string(),
  figures: z.looseObject({ devices: z.number() }),
  seconds: z.array(z.looseObject({ at: z.number() })),
});

/** Reads a report by its page or its JSON twin. @throws FleetFault REPORT_UNUSABLE */
export async function readReport(path: string): Promise<FleetReport> {
  const file = /\.html?$/i.test(path) ? twinPath(path) : path;
  const bad = (summary: string, cause?: unknown): FleetFault =>
    new FleetFault('REPORT_UNUSABLE', summary, { where: file, expected: 'the JSON twin that zerotouch fleet --report wrote', cause });
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw bad(`the report cannot be read (${error.code})`, error);
  });
  try {
    return shape.parse(JSON.parse(text)) as unknown as FleetReport;
  } catch (cause) {
    throw bad('this is no report of a fleet', cause);
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, text);
  await rename(draft, path);
}
