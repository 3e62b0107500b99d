import { Argument } from 'commander';
import type { AddVerb } from '../job.js';

/** The spec files that users write, by name, and where each schema comes from. */
const schemas = {
  batch: async () => (await import('@zerotouch/manufacturing/spec')).batchSpecJsonSchema(),
  fleet: async () => (await import('@zerotouch/fleet-sim/fleet')).fleetSpecJsonSchema(),
  cloud: async () => (await import('@zerotouch/cloud-sim/config')).cloudConfigJsonSchema(),
  scenario: async () => (await import('@zerotouch/fleet-sim/scenario-schema')).scenarioJsonSchema(),
} as const satisfies Record<string, () => Promise<Record<string, unknown>>>;

type SchemaName = keyof typeof schemas;

/** `zerotouch schema NAME`: the JSON Schema of a spec file. */
export const addSchema: AddVerb = (program, run) => {
  program
    .command('schema')
    .summary('print the JSON Schema of a spec file')
    .description('Print the JSON Schema of a spec file, for editors and checks.')
    .addArgument(new Argument('<name>', 'which spec file').choices(Object.keys(schemas)))
    .addHelpText('after', '\nExample:\n  $ zerotouch schema batch > batch.schema.json')
    .action((name: SchemaName) =>
      run(async ({ output }) => {
        const schema = await schemas[name]();
        output.result(schema, JSON.stringify(schema, null, 2));
        return undefined;
      }),
    );
};
