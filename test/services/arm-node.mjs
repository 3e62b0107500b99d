// Loaded before anything else by the ARM Nodes that scripts/services.sh makes: what an emulator and an old build lack.
import { register } from 'node:module';
import process from 'node:process';
import zlib from 'node:zlib';

// Node finds its own executable, which this machine's kernel cannot run; a process that it starts must go through the emulator, too.
process.execPath = process.env.ZT_ARM_NODE;

// The newest armv7 Node that is packaged for npm is 20.11; `crc32` is what it is short of 20.15, which the project needs.
if (zlib.crc32 === undefined) {
  const names = Object.keys(zlib).filter((name) => name !== 'default');
  const source = `import zlib from 'node:zlib?';
export default zlib;
export const { ${names.join(', ')} } = zlib;
export function crc32(data, value = 0) {
  let crc = ~value;
  for (const byte of Buffer.from(data)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}`;
  const hooks = `const source = ${JSON.stringify(source)};
export async function resolve(specifier, context, next) {
  if (specifier === 'node:zlib?') return next('node:zlib', context);
  return specifier === 'node:zlib' ? { url: 'zlib:shim', shortCircuit: true } : next(specifier, context);
}
export async function load(url, context, next) {
  return url === 'zlib:shim' ? { format: 'module', source, shortCircuit: true } : next(url, context);
}`;
  register(`data:text/javascript,${encodeURIComponent(hooks)}`);
}
