import { readFileSync } from 'node:fs';
import { CommandFrame } from '@zerotouch/foundation/command/frame';
import { Command } from 'commander';
import { addAgentVerbs } from './agent/agent-command.js';
import { addBootOptions, type BootOptions, bootImage } from './runtime/boot-image.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

const program = new Command('zerotouch-device')
  .description('Power on the device in a flash image and see it find its Azure IoT hub.')
  .version(version)
  .argument('<image>', 'a flash image');
const frame = new CommandFrame(program);
addBootOptions(program, 'zerotouch-device').action((image: string, options: BootOptions) =>
  frame.run(async ({ output, signal }) => {
    await bootImage(image, options, output, signal);
    return undefined;
  }),
);
addAgentVerbs(program, frame, version);

await frame.main();
