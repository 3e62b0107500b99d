// tap gives every test file a loader in a thread of its own, which writes down the files that it loads, for a coverage that is c8's business
// here: a fifth of a CPU-second a file. Without it nothing else changes.
import module from 'node:module';

const { register } = module;
module.register = (specifier, ...rest) => (String(specifier).includes('/@tapjs/processinfo/') ? undefined : register(specifier, ...rest));
