#!/usr/bin/env node
// npm links a `bin` only when its file exists, and `build/` does not before the first build: hence this committed shim.
// The published package has no use for it: its `bin` is the bundle itself.
import '../../scripts/node-version.mjs';
import { makeReady } from '../../scripts/ready.mjs';

makeReady('firmware-sim');
// biome-ignore lint/style/noRestrictedImports: this is the one place where the source meets its own build.
await import('../build/zerotouch-device.js');
