import type { Scenario } from '@zerotouch/firmware-sim/scenario/scenario';
import { scenarios } from '@zerotouch/firmware-sim/scenario/shipped';
import { Fault } from '@zerotouch/foundation/fault';
import { readYamlFile } from '@zerotouch/foundation/yaml-file';
import { scenarioSchema } from './scenario-schema.js';

/** Where a scenario is named, and from where its file is seen. */
export interface ScenarioPlace {
  /** The option or field. */
  readonly where: string;
  readonly pathOf?: (path: string) => string;
}

/**
 * A scenario by the name of one that is shipped, or by its file.
 * @throws Fault CONFIG_SYNTAX, BAD_CONFIG
 */
export function readScenario(nameOrFile: string, { where, pathOf = (path) => path }: ScenarioPlace): Scenario {
  const shipped = scenarios.find(({ name }) => name === nameOrFile);
  if (shipped !== undefined) return shipped;
  if (/^[a-z0-9-]+$/.test(nameOrFile)) {
    throw new Fault('BAD_CONFIG', 'there is no such scenario', {
      where,
      seen: nameOrFile,
      expected: `a file (./${nameOrFile}), or one of ${scenarios.map(({ name }) => name).join(', ')}`,
    });
  }
  const { data, locate } = readYamlFile(pathOf(nameOrFile), {
    unreadable: (code, cause) =>
      new Fault('BAD_CONFIG', `the scenario cannot be read (${code})`, {
        where,
        seen: nameOrFile,
        expected: 'a file, YAML or JSON, or the name of a shipped scenario',
        remedy: 'docs/guides/bad-days.md lists them; `zerotouch schema scenario` tells what a file may say',
        cause,
      }),
  });
  const parsed = scenarioSchema.safeParse(data);
  if (parsed.success) return parsed.data as Scenario;
  const [issue] = parsed.error.issues;
  throw new Fault('BAD_CONFIG', issue?.message ?? 'this is no scenario', {
    where: locate(issue?.path ?? []),
    remedy: '`zerotouch schema scenario` tells what a scenario may say',
  });
}
