// `node scripts/checks/tap-totals.mjs FILE...`: the one line `N passed, N failed` from what tap wrote with --output-file.
// Assertions count, each once; a file that died without a failing assertion counts as one failure, and so does a missing report.
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Parser } from 'tap-parser';

let passed = 0;
let failed = 0;

const count = (parser) => {
  parser.on('child', count);
  parser.on('assert', ({ ok, skip, todo, closingTestPoint }) => {
    // The closing point of a subtest repeats what its assertions said.
    if (closingTestPoint || skip || todo) return;
    if (ok) passed += 1;
    else failed += 1;
  });
};

for (const file of process.argv.slice(2)) {
  const parser = new Parser();
  count(parser);
  const before = failed;
  try {
    await pipeline(createReadStream(file), parser);
  } catch (error) {
    process.stderr.write(`tap-totals: ${error.message}\n`);
  }
  const { ok = false, fail = 0 } = parser.results ?? {};
  if (failed === before && !ok) failed += Math.max(1, fail);
}
console.log(`${passed} passed, ${failed} failed`);
