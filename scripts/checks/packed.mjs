// Packs both packages, installs each alone in an empty folder, and works from there: the zerotouch package burns and inspects, the device
// package boots what was burnt against the local cloud of the zerotouch package, whose web view is there; its fleet powers all of it on.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { npm } from '../npm.mjs';

const top = fileURLToPath(new URL('../..', import.meta.url));
const place = mkdtempSync(join(tmpdir(), 'zerotouch-packed-'));
const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] };

try {
  const tarballs = runNode(top, ['scripts/pack.mjs', join(place, 'tarballs')])
    .trim()
    .split('\n');
  const [zerotouch, device] = tarballs.map((tarball) => install(tarball));

  const spec = join(place, 'batch.json');
  const groups = ['x509', 'symmetric-key'].map((attestation, index) => ({
    attestation,
    enrolmentGroup: `packed-${attestation}`,
    registrationId: `${attestation}-{serial}`,
    serial: { start: index + 1, count: 1, digits: 1 },
    initialTwin: { desired: { interval: 7 } },
  }));
  writeFileSync(spec, JSON.stringify({ version: 1, batch: 'packed', groups }));
  const batch = join(place, 'batch');
  const burn = lastLine(command(zerotouch, 'zerotouch', ['burn', spec, '--out', batch, '--json', '--quiet']));
  expect('burn', burn.burnt === 2 && burn.failed === 0, burn);
  const images = readdirSync(join(batch, 'images')).map((name) => join(batch, 'images', name));
  for (const image of images) lastLine(command(zerotouch, 'zerotouch', ['inspect', image, '--json']));
  doorsOpen(zerotouch);
  queuesAreKnown(zerotouch);
  typesHold(zerotouch);
  nothingOfCloudOrFactory(device);
  oldNodeIsTold(device, 'zerotouch-device');
  oldNodeIsTold(zerotouch, 'zerotouch');
  guideCompiles(device);
  const lean = install(tarballs[1], '-lean', '--omit=optional');
  const megabytes = { all: sizeOf(device), mqtt: sizeOf(lean) };
  expect('installed sizes of the device package, MB', megabytes.all <= 100 && megabytes.mqtt <= 40, megabytes);

  await withCloud(zerotouch, batch, (state) => {
    for (const image of images) {
      for (const client of ['sdk', 'wire']) {
        const boot = ['--once', '--json', '--client', client, '--cloud', state];
        const result = lastLine(command(device, 'zerotouch-device', [image, ...boot]));
        expect(`boot with --client ${client}`, result.state === 'running' && result.config?.interval === 7, result);
      }
      const wire = ['--once', '--json', '--client', 'wire', '--cloud', state];
      const result = lastLine(command(lean, 'zerotouch-device', [image, ...wire]));
      expect('boot without optional packages', result.state === 'running', result);
    }
    const fleetSpec = join(place, 'fleet.json');
    writeFileSync(fleetSpec, JSON.stringify({ version: 1, images: batch }));
    const fleet = lastLine(command(zerotouch, 'zerotouch', ['fleet', fleetSpec, '--workers', '2', '--json', '--quiet', '--cloud', state]));
    expect('fleet', fleet.running === images.length && fleet.failed === 0 && fleet.processes === 2, fleet);
    const operate = (...args) => command(zerotouch, 'zerotouch', [...args, '--json', '--cloud', state]);
    const [{ name: hub }] = lastLine(operate('dps', 'linked-hub', 'list'));
    operate('hub', 'device-identity', 'create', '-n', hub, '-d', 'told');
    operate('hub', 'c2d-message', 'send', '-n', hub, '-d', 'told');
    const told = lastLine(operate('hub', 'device-identity', 'show', '-n', hub, '-d', 'told'));
    expect('dps and hub', told.cloudToDeviceMessageCount === 1, told);
  });
  console.log(
    `packed packages: ${images.length} images burnt and inspected from zerotouch, each booted from zerotouch-device with sdk and wire, all of them by fleet; ` +
      `zerotouch-device takes ${megabytes.all} MB installed, ${megabytes.mqtt} MB with MQTT by our own client alone`,
  );
} finally {
  rmSync(place, { recursive: true });
}

/** Installs one tarball alone in a new folder; returns the folder. */
function install(tarball, suffix = '', ...more) {
  const folder = join(place, `with-${tarball.replace(/^.*[\\/]/, '').replace(/\.tgz$/, '')}${suffix}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}\n');
  execFileSync(...npm(['install', '--silent', '--no-audit', '--no-fund', '--prefer-offline', ...more, tarball]), {
    ...options,
    cwd: folder,
  });
  return folder;
}

/** What an installation takes on a disk whose blocks have 4 KiB, as those of SD cards do, in MB. */
function sizeOf(folder) {
  const files = readdirSync(join(folder, 'node_modules'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.map(({ parentPath, name }) => Math.ceil(statSync(join(parentPath, name)).size / 4096) * 4096);
  return Math.round(bytes.reduce((sum, size) => sum + size, 0) / 1e6);
}

function command(folder, name, args) {
  const { bin } = JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8'));
  if (!existsSync(join(folder, 'node_modules', '.bin', name))) throw new Error(`npm linked no command ${name}`);
  return runNode(folder, [join('node_modules', name, bin[name]), ...args]);
}

function runNode(cwd, args) {
  return execFileSync(process.execPath, args, { ...options, cwd });
}

function lastLine(text) {
  return JSON.parse(text.trim().split('\n').at(-1));
}

function doorsOpen(folder) {
  writeFileSync(
    join(folder, 'doors.js'),
    `import { startCloud } from 'zerotouch/cloud';
import { burnBatch } from 'zerotouch/manufacturing';
import { powerOn } from 'zerotouch/device';
const cloud = await startCloud({ workers: 1 });
const fronts = cloud.fronts.length;
await cloud.close();
console.log(JSON.stringify({ doors: [startCloud, burnBatch, powerOn].map((door) => typeof door), fronts }));
`,
  );
  const { doors, fronts } = lastLine(runNode(folder, ['doors.js']));
  expect('processes for TLS', fronts === 1, fronts);
  expect(
    'doors',
    doors.every((door) => door === 'function'),
    doors,
  );
}

/** What queues need is in the package: no server answers here, and that is what the worker says of each. */
function queuesAreKnown(folder) {
  for (const url of ['redis://127.0.0.1:1', 'postgres://nobody@127.0.0.1:1/fleets']) {
    const worker = [join('node_modules', 'zerotouch', 'bin', 'zerotouch.js'), 'fleet-worker', '--queue', 'env:QUEUE'];
    const { status, stderr } = spawnSync(process.execPath, worker, {
      ...options,
      stdio: 'pipe',
      cwd: folder,
      env: { ...process.env, QUEUE: url },
    });
    expect(`a worker at ${url}`, status === 3 && /the queue does not answer/.test(stderr), { status, stderr });
  }
}

/** A Node before 20.15, as this one becomes by a hook that takes `crc32` from it: one line that says what to install, exit code 2. */
function oldNodeIsTold(folder, name) {
  const hooks = `export async function resolve(specifier, context, next) {
  if (specifier === 'node:zlib?') return next('node:zlib', context);
  return specifier === 'node:zlib' ? { url: 'zlib:old', shortCircuit: true } : next(specifier, context);
}
export async function load(url, context, next) {
  return url === 'zlib:old' ? { format: 'module', source: "export { deflateSync } from 'node:zlib?'", shortCircuit: true } : next(url, context);
}`;
  const old = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});`;
  const args = [
    '--import',
    `data:text/javascript,${encodeURIComponent(old)}`,
    join('node_modules', name, 'bin', `${name}.js`),
    '--version',
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { ...options, stdio: 'pipe', cwd: folder });
  expect(
    `${name} under an old Node`,
    status === 2 && stdout === '' && /^zerotouch: this is Node .* expected 20\.15[^\n]+\n$/.test(stderr),
    {
      status,
      stderr,
    },
  );
}

/** The doors' types must be there and not be `any`: each expected error is an error if it does not occur. */
function typesHold(folder) {
  writeFileSync(
    join(folder, 'doors.ts'),
    `import { type Cloud, startCloud } from 'zerotouch/cloud';
import { burnBatch } from 'zerotouch/manufacturing';
import { powerOn } from 'zerotouch/device';
export const cloud: Cloud = await startCloud({ mqttPort: 0 });
// @ts-expect-error a port is a number
startCloud({ mqttPort: 'any' });
// @ts-expect-error a batch needs a spec
burnBatch();
// @ts-expect-error a device needs flash
powerOn();
`,
  );
  compile(folder, ['doors.ts']);
}

/** The code in the guide to the device package, against the package's own types. */
function guideCompiles(folder) {
  const guide = readFileSync(join(top, 'docs', 'guides', 'device-library.md'), 'utf8');
  const examples = [...guide.matchAll(/^```ts file=(\S+)\n([\s\S]*?)^```$/gm)];
  expect('examples in the guide', examples.length === 3, examples.length);
  for (const [, file, code] of examples) writeFileSync(join(folder, file), code);
  compile(
    folder,
    examples.map(([, file]) => file),
  );
}

function compile(folder, files) {
  const tsc = join(top, 'node_modules', 'typescript', 'bin', 'tsc');
  const types = ['--typeRoots', join(top, 'node_modules', '@types'), '--types', 'node'];
  runNode(folder, [tsc, '--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module', 'nodenext', ...types, ...files]);
}

/** The device package must stay small enough for a Pi: no native build, nothing of cloud or factory. */
function nothingOfCloudOrFactory(folder) {
  const modules = join(folder, 'node_modules');
  const { dependencies } = JSON.parse(readFileSync(join(modules, 'zerotouch-device', 'package.json'), 'utf8'));
  const foreign = Object.keys(dependencies).filter((name) => !/^azure-iot-|^(mqtt|commander|yaml|zod)$/.test(name));
  expect('dependencies of the device package', foreign.length === 0, foreign);
  const native = readdirSync(modules, { recursive: true }).filter((file) => /(^|[\\/])binding\.gyp$|\.node$/.test(file));
  expect('native builds in the device package', native.length === 0, native);
  const bundles = readdirSync(join(modules, 'zerotouch-device'), { recursive: true }).filter((file) =>
    /cloud-sim|manufacturing/.test(file),
  );
  expect('rooms in the device package', bundles.length === 0, bundles);
}

async function withCloud(folder, batch, work) {
  const cwd = join(place, 'cloud');
  mkdirSync(cwd);
  const command = join(folder, 'node_modules', 'zerotouch', 'bin', 'zerotouch.js');
  const cloud = spawn(process.execPath, [command, 'cloud', '--json', '--web', '--enrollments', batch], { ...options, cwd });
  const ended = once(cloud, 'exit');
  try {
    const [first] = await Promise.race([
      once(createInterface(cloud.stdout), 'line'),
      ended.then(([code]) => {
        throw new Error(`the cloud ended with ${code} before it was ready`);
      }),
    ]);
    const { ready, web } = JSON.parse(first);
    expect('cloud', ready === true, first);
    const page = await (await fetch(web.url)).text();
    expect('web view', page.includes('<div id="app">'), page);
    cloud.stdout.resume();
    work(join(cwd, '.zerotouch', 'cloud.json'));
  } finally {
    cloud.kill('SIGINT');
  }
  const [code] = await ended;
  expect('exit code of the cloud after Ctrl-C', code === 130, code);
}

function expect(what, holds, seen) {
  if (!holds) throw new Error(`${what}: seen ${JSON.stringify(seen)}`);
}
