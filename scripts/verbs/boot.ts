import { addBootOptions, type BootOptions, bootImage } from '@zerotouch/firmware-sim/runtime/boot-image';
import type { AddVerb } from '../job.js';

/** `zerotouch boot`: power one device on. */
export const addBoot: AddVerb = (program, run) => {
  const command = program
    .command('boot <image>')
    .summary('power one device on')
    .description('Power on the device in an image and see it find its hub.');
  addBootOptions(command, 'zerotouch boot').action((image: string, options: BootOptions) =>
    run(async ({ output, signal }) => {
      await bootImage(image, options, output, signal);
      return undefined;
    }),
  );
};
