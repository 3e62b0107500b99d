import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { CloudOptions } from '@zerotouch/cloud-sim/cloud';
import { readYamlFile } from '@zerotouch/foundation/yaml-file';

/**
 * Reads the file of `zerotouch cloud --config`, YAML or JSON. Paths in it are taken from its folder.
 * @throws Fault CONFIG_UNREADABLE, CONFIG_SYNTAX, BAD_CONFIG, or the system's when a file that it names cannot be read
 */
export async function readCloudConfig(file: string): Promise<CloudOptions> {
  const { data, locate } = readYamlFile(file);
  const { cloudConfig } = await import('@zerotouch/cloud-sim/config');
  const folder = dirname(file);
  const options = cloudConfig(data, locate, (path) => readFileSync(resolve(folder, path), 'utf8'));
  return options.data === undefined ? options : { ...options, data: resolve(folder, options.data) };
}
