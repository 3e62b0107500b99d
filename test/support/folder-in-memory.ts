import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** A folder for a test that syncs thousands of times: in memory, where the system has such a place, that takes no time. */
export function folderInMemory(t: Test): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'zerotouch-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}
