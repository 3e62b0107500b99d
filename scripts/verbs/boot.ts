import { addBootOptions, type BootOptions, bootImage } from '@zerotouch/firmware-sim/runtime/boot-image';
import { EXIT } from '@zerotouch/foundation/command/failure';
import type { AddVerb } from '../job.js';
import { TRACE_HELP, withTrace } from '../trace.js';

/** `zerotouch boot`: power one device on, on a good day or a bad one. */
export const addBoot: AddVerb = (program, run) => {
  const command = program
    .command('boot <image>')
    .summary('power one device on')
    .description('Power on the device in an image and see it find its hub.');
  addBootOptions(command, 'zerotouch boot')
    .option('--scenario <file|name>', 'live through a bad day on a copy of the image, waits leapt over: docs/guides/bad-days.md')
    .option('--trace <file|url>', TRACE_HELP)
    .action((image: string, { scenario, trace, ...options }: BootOptions & { scenario?: string; trace?: string }) =>
      run(({ output, signal }) =>
        withTrace(trace, async (traced) => {
          if (scenario === undefined) {
            await bootImage(image, options, output, signal, traced);
            return undefined;
          }
          const { bootThrough } = await import('../boot-through.js');
          return (await bootThrough(scenario, image, options, output, signal, traced)) ? undefined : EXIT.failed;
        }),
      ),
    );
};
