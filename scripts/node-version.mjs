// Loaded before anything else of ours, by the commands of a checkout and of both packages. An older Node ends at the first import that it lacks,
// with a stack that tells nobody what to do; npm only warns of `engines`. What is looked for is what is missing, not a number.
import process from 'node:process';
import * as zlib from 'node:zlib';

if (!('crc32' in zlib)) {
  process.stderr.write(
    `zerotouch: this is Node ${process.versions.node} (${process.execPath}); expected 20.15 or later (of 22: 22.2); install that and start again\n`,
  );
  process.exit(2);
}
