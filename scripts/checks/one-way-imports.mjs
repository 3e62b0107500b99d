// Proves that the rule of docs/architecture.md bites: every import that runs up or across the house is planted in a copy of its
// layout, and the linter must refuse exactly these.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('../..', import.meta.url));
const ground = ['foundation'];
const wire = [...ground, 'azure-wire'];
const middle = [...wire, 'flash-image'];
/** Which rooms each room may import. */
const allowed = {
  foundation: [],
  'azure-wire': ground,
  'flash-image': ground,
  'cloud-sim': wire,
  manufacturing: middle,
  'firmware-sim': middle,
  'fleet-sim': [...middle, 'cloud-sim', 'manufacturing', 'firmware-sim'],
  'web-view': [...wire, 'cloud-sim', 'fleet-sim'],
  scripts: [...middle, 'cloud-sim', 'manufacturing', 'firmware-sim', 'fleet-sim', 'web-view'],
};

const rooms = Object.keys(allowed);
const copy = mkdtempSync(join(tmpdir(), 'one-way-imports-'));
try {
  copyFileSync(join(top, 'biome.json'), join(copy, 'biome.json'));
  for (const from of rooms) {
    mkdirSync(join(copy, from));
    for (const to of rooms) {
      if (from !== to) writeFileSync(join(copy, from, `to-${to}.ts`), `export * from '@zerotouch/${to}/door';\n`);
    }
  }
  const { stdout } = spawnSync(
    process.execPath,
    [
      join(top, 'node_modules', '@biomejs', 'biome', 'bin', 'biome'),
      'lint',
      '--vcs-enabled=false',
      '--reporter=json',
      '--max-diagnostics=none',
      '.',
    ],
    { cwd: copy, encoding: 'utf8' },
  );
  const refused = JSON.parse(stdout)
    .diagnostics.filter(({ category }) => category === 'lint/style/noRestrictedImports')
    .map(({ location }) => location.path.replaceAll('\\', '/').replace(/^\.\//, ''))
    .sort();
  const expected = rooms
    .flatMap((from) => rooms.filter((to) => to !== from && !allowed[from].includes(to)).map((to) => `${from}/to-${to}.ts`))
    .sort();
  const wrong = [
    ...expected.filter((file) => !refused.includes(file)).map((file) => `${file} was let through`),
    ...refused.filter((file) => !expected.includes(file)).map((file) => `${file} was refused`),
  ];
  if (wrong.length > 0) throw new Error(wrong.join('; '));
  console.log(`one-way imports: all ${expected.length} forbidden imports between rooms are refused, the others are let through`);
} finally {
  rmSync(copy, { recursive: true });
}
