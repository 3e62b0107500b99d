import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { FleetFault } from '../faults.js';
import { reportPage } from './page.js';
import type { FleetReport } from './report.js';

/** The JSON twin of a report page. */
export function twinPath(page: string): string {
  return `${page.replace(/\.html?$/i, '')}.json`;
}

/** Whether a report can be written here, asked before a fleet runs for it. @throws FleetFault REPORT_UNWRITABLE */
export async function refuseUnwritable(page: string): Promise<void> {
  for (const path of [page, twinPath(page)]) {
    await inWords(path, async () => {
      if ((await stat(path).catch(() => undefined))?.isDirectory() === true) throw Object.assign(new Error(), { code: 'EISDIR' });
      await writeFile(draftOf(path), '');
      await rm(draftOf(path));
    });
  }
}

/** Writes the page of a report and its JSON twin, each whole or not at all. @throws FleetFault REPORT_UNWRITABLE */
export async function writeReport(path: string, report: FleetReport): Promise<void> {
  await writeWhole(path, reportPage([report]));
  await writeWhole(twinPath(path), `${JSON.stringify(report, null, 1)}\n`);
}

/** Writes a page that shows runs side by side. @throws FleetFault REPORT_UNWRITABLE */
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
  await inWords(path, async () => {
    try {
      await writeFile(draftOf(path), text);
      await rename(draftOf(path), path);
    } catch (error) {
      await rm(draftOf(path), { force: true });
      throw error;
    }
  });
}

function draftOf(path: string): string {
  return `${path}.${process.pid}.tmp`;
}

async function inWords(where: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    const remedy = code === 'ENOENT' ? 'make its folder first' : 'name another file';
    throw new FleetFault('REPORT_UNWRITABLE', `the page cannot be written (${code})`, { where, remedy, cause });
  }
}
