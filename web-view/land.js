import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { geoEquirectangular, geoPath } from 'd3-geo';
import { feature } from 'topojson-client';
import { height, project, width } from './src/projection.js';

const NAME = 'virtual:land';

/**
 * A plugin of Vite that makes the outline of the continents as one SVG path, at build time: `import { outline } from 'virtual:land'`.
 * The shapes are Natural Earth's (public domain), 1 to 110 million.
 */
export function land() {
  return {
    name: 'land',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load: async (id) => (id === `\0${NAME}` ? `export const outline = ${JSON.stringify(await outline())};` : undefined),
  };
}

async function outline() {
  const file = createRequire(import.meta.url).resolve('world-atlas/land-110m.json');
  const world = JSON.parse(await readFile(file, 'utf8'));
  const [, equator] = project(0, 0);
  const projection = geoEquirectangular()
    .scale(width / (2 * Math.PI))
    .translate([width / 2, equator])
    .clipExtent([
      [0, 0],
      [width, height],
    ]);
  return geoPath(projection).digits(1)(feature(world, world.objects.land));
}
