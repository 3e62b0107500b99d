#!/usr/bin/env node
// `npm run pack -- DIR`: writes the tarballs of both published packages to DIR and prints their paths.
// The rooms are not on npm, and `npm pack` leaves workspace dependencies out even when they are bundled: so each package is staged in a
// folder of its own, with our code in bundles and everything else as a dependency.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { npm } from './npm.mjs';

const top = fileURLToPath(new URL('..', import.meta.url));
const project = readManifest('.');

/**
 * What is published. `command`, `workers` and `doors` name built files of a room, without their ending; a door is what code imports, a worker what a thread or
 * a process of ours runs.
 * `pages`: folders that go beside the bundles as they are; `folders`: the same, at the top of the package.
 */
const packages = [
  {
    name: 'zerotouch',
    room: 'scripts',
    description: project.description,
    readme: 'README.md',
    command: 'scripts/build/zerotouch',
    workers: ['manufacturing/build/burn-worker', 'cloud-sim/build/doors/fronts/tls-front', 'fleet-sim/build/shard-process'],
    pages: { 'web-view/build/page': 'web-view' },
    doors: {
      './cloud': 'cloud-sim/build/cloud',
      './manufacturing': 'manufacturing/build/batch',
      './device': 'firmware-sim/build/runtime/power-on',
      './fleet': 'fleet-sim/build/fleet',
    },
  },
  {
    name: 'zerotouch-device',
    room: 'firmware-sim',
    description: 'A device that finds its Azure IoT hub by itself: boots a zerotouch flash image, on a Raspberry Pi or anywhere.',
    readme: 'firmware-sim/README.md',
    command: 'firmware-sim/build/zerotouch-device',
    folders: { 'firmware-sim/service': 'service' },
    doors: { '.': 'firmware-sim/build/runtime/power-on' },
  },
];

const out = process.argv[2];
if (out === undefined || process.argv.length > 3) {
  process.stderr.write('pack: expected one folder to write to: npm run pack -- DIR\n');
  process.exit(2);
}
mkdirSync(out, { recursive: true });
for (const published of packages) {
  const stage = mkdtempSync(join(tmpdir(), `${published.name}-`));
  try {
    await fill(stage, published);
    process.stdout.write(`${pack(stage, resolve(out))}\n`);
  } finally {
    rmSync(stage, { recursive: true });
  }
}

async function fill(stage, { name, room, description, readme, command, workers = [], pages = {}, folders = {}, doors }) {
  const rooms = closureOf(room);
  const dependencies = Object.assign({}, ...rooms.map((each) => foreignDependencies(each, 'dependencies')));
  // What only some transports need: `npm install --omit=optional` leaves it out.
  const optionalDependencies = Object.assign({}, ...rooms.map((each) => foreignDependencies(each, 'optionalDependencies')));
  await bundle(stage, name, [command, ...workers, ...Object.values(doors)], { ...dependencies, ...optionalDependencies });
  for (const [built, folder] of Object.entries(pages)) cpSync(join(top, built), join(stage, 'dist', folder), { recursive: true });
  for (const [source, folder] of Object.entries(folders)) cpSync(join(top, source), join(stage, folder), { recursive: true });
  for (const each of rooms) copyTypes(each, join(stage, 'types'));
  mkdirSync(join(stage, 'bin'));
  copyFileSync(join(top, 'scripts', 'node-version.mjs'), join(stage, 'bin', 'node-version.mjs'));
  // A second `import` statement would be linked, and fail, before the first is run.
  const start = `#!/usr/bin/env node\nimport './node-version.mjs';\n\nawait import('../dist/${bundleName(command)}.js');\n`;
  writeFileSync(join(stage, 'bin', `${name}.js`), start, { mode: 0o755 });
  const exports = Object.entries(doors).map(([door, file]) => [
    door,
    { types: `./types/${file.replace('/build/', '/')}.d.ts`, default: `./dist/${bundleName(file)}.js` },
  ]);
  const manifest = {
    name,
    version: project.version,
    description,
    license: project.license,
    type: 'module',
    engines: project.engines,
    bin: { [name]: `bin/${name}.js` },
    exports: Object.fromEntries(exports),
    dependencies: Object.fromEntries(Object.entries(dependencies).sort()),
    optionalDependencies: Object.fromEntries(Object.entries(optionalDependencies).sort()),
  };
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  copyFileSync(join(top, 'LICENSE'), join(stage, 'LICENSE'));
  if (existsSync(join(top, readme))) copyFileSync(join(top, readme), join(stage, 'README.md'));
  else writeFileSync(join(stage, 'README.md'), `# ${name}\n\n${description}\n`);
}

/** Our own code in one file an entry point, what they share in chunks beside them; packages of npm stay imports. */
async function bundle(stage, name, files, dependencies) {
  const { metafile } = await build({
    absWorkingDir: top,
    entryPoints: Object.fromEntries(files.map((file) => [bundleName(file), `${file}.js`])),
    outdir: join(stage, 'dist'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    external: Object.keys(dependencies),
    metafile: true,
    logLevel: 'warning',
  });
  for (const [file, { imports }] of Object.entries(metafile.outputs)) {
    for (const { path, external } of imports) {
      const known = !external || path.startsWith('node:') || builtinModules.includes(path) || packageName(path) in dependencies;
      if (!known) throw new Error(`${name}: ${file} imports ${path}, which no room of this package declares`);
    }
  }
  const foreign = Object.keys(metafile.inputs).filter((path) => path.includes('node_modules/'));
  if (foreign.length > 0) throw new Error(`${name}: packages of npm went into the bundle: ${foreign.slice(0, 3).join(', ')}`);
}

/** The room and every room below it. */
function closureOf(room, found = new Set()) {
  if (!found.has(room)) {
    found.add(room);
    for (const dependency of Object.keys(readManifest(room).dependencies ?? {})) {
      if (dependency.startsWith('@zerotouch/')) closureOf(dependency.slice('@zerotouch/'.length), found);
    }
  }
  return [...found];
}

function foreignDependencies(room, kind) {
  return Object.fromEntries(Object.entries(readManifest(room)[kind] ?? {}).filter(([name]) => !name.startsWith('@zerotouch/')));
}

/** The declarations of a room, with imports of other rooms turned into relative ones. */
function copyTypes(room, types) {
  const built = join(top, room, 'build');
  for (const entry of readdirSync(built, { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.d.ts')) continue;
    const source = join(entry.parentPath, entry.name);
    const target = join(types, room, relative(built, source));
    const text = readFileSync(source, 'utf8')
      .replace(/(['"])@zerotouch\/([^/'"]+)\/([^'"]+)\1/g, (_, quote, other, file) => {
        const path = relative(dirname(target), join(types, other, `${file}.js`)).replaceAll('\\', '/');
        return quote + (path.startsWith('.') ? path : `./${path}`) + quote;
      })
      .replace(/^\/\/# sourceMappingURL=.*$/m, '');
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}

function pack(stage, destination) {
  const { status, stdout } = spawnSync(...npm(['pack', '--silent', '--pack-destination', destination]), {
    cwd: stage,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error('npm pack failed; see the lines above');
  return join(destination, stdout.trim());
}

function bundleName(file) {
  return file.slice(file.lastIndexOf('/') + 1);
}

function packageName(path) {
  return path
    .split('/')
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/');
}

function readManifest(folder) {
  return JSON.parse(readFileSync(join(top, folder, 'package.json'), 'utf8'));
}
