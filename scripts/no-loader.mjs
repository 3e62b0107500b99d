// tap writes down each file that a test loads, for a coverage that is c8's business here: by a loader in a thread of its own for modules, by a
// hook for what is required. Both are kept out, for they cost half a CPU-second a file; nothing else changes.
import module from 'node:module';

const { register } = module;
module.register = (specifier, ...rest) => (String(specifier).includes('/@tapjs/processinfo/') ? undefined : register(specifier, ...rest));
const load = module._extensions['.js'];
Object.defineProperty(module._extensions, '.js', { get: () => load, set: () => {} });
