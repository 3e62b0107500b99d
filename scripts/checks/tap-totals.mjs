// `node scripts/checks/tap-totals.mjs FILE...`: each failure in a line on stderr, then the one line `N passed, N failed`, from what tap
// wrote with --output-file.
// Assertions count, each once; a file that died without a failing assertion counts as one failure, and so does a missing report.
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Parser } from 'tap-parser';

/** What a failure says besides its name is cut after so much: a counterexample can be long. */
const MOST_SHOWN = 2000;

let passed = 0;
let failed = 0;

const tell = (path, name, said) => {
  const text = typeof said === 'object' && said !== null ? JSON.stringify(said) : '';
  process.stderr.write(`failed: ${[...path, name].filter(Boolean).join(' > ')} ${text}`.slice(0, MOST_SHOWN).concat('\n'));
};

const count = (parser, path) => {
  let atChild = failed;
  parser.on('child', (child) => {
    atChild = failed;
    count(child, [...path, child.name]);
  });
  parser.on('bailout', (reason) => tell(path, `bailed out: ${reason}`));
  parser.on('assert', ({ ok, skip, todo, closingTestPoint, name, diag }) => {
    // What was not done proves nothing: it counts as if it had failed.
    if (skip || todo) {
      failed += 1;
      tell(path, name, { skipped: skip || todo });
      return;
    }
    // The closing point of a subtest repeats what its assertions said, unless it died without one that failed.
    if (closingTestPoint && (ok || failed > atChild)) return;
    if (ok) passed += 1;
    else {
      failed += 1;
      tell(path, name, diag);
    }
  });
};

for (const file of process.argv.slice(2)) {
  const parser = new Parser();
  count(parser, []);
  const before = failed;
  try {
    await pipeline(createReadStream(file), parser);
  } catch (error) {
    process.stderr.write(`tap-totals: ${error.message}\n`);
  }
  const { ok = false, fail = 0, failures = [] } = parser.results ?? {};
  if (failed === before && !ok) {
    failed += Math.max(1, fail);
    for (const { name, diag } of failures) tell([file], name, diag);
  }
}
console.log(`${passed} passed, ${failed} failed`);
