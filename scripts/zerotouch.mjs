#!/usr/bin/env node
// npm links a `bin` only when its file exists, and `build/` does not before the first build: hence this committed shim.
import './node-version.mjs';
import { makeReady } from './ready.mjs';

makeReady('scripts');
await import('./build/zerotouch.js');
