import { readFileSync } from 'node:fs';
import { type BootOptions, chooseEndpoint, requireClient, tell } from '@zerotouch/firmware-sim/runtime/boot-image';
import { Deadline } from '@zerotouch/firmware-sim/runtime/deadline';
import type { DeviceOptions } from '@zerotouch/firmware-sim/runtime/device';
import { BootFault } from '@zerotouch/firmware-sim/runtime/faults';
import { liveThrough } from '@zerotouch/firmware-sim/scenario/live';
import type { DayResult } from '@zerotouch/firmware-sim/scenario/scenario';
import { readEfuseBeside } from '@zerotouch/flash-image/efuse';
import { openImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { readScenario } from '@zerotouch/fleet-sim/scenario-file';
import { inFileSync } from '@zerotouch/foundation/command/failure';
import type { Output } from '@zerotouch/foundation/command/output';

/** How long a day may take in real time when `--timeout` is not given, seconds. */
const TIMEOUT_S = 300;

/** Lives through a scenario with the device in an image; says the result. @returns whether the day ended as it should */
export async function bootThrough(
  nameOrFile: string,
  path: string,
  options: BootOptions,
  output: Output,
  signal: AbortSignal,
  traced: Pick<DeviceOptions, 'trace'> = {},
): Promise<boolean> {
  requireClient(options);
  if (options.update !== undefined) {
    throw new BootFault('BAD_OPTION', '--scenario and --update exclude each other', {
      expected: 'one of them: a bad day is lived through on a copy',
    });
  }
  const scenario = readScenario(nameOrFile, { where: '--scenario' });
  const endpoint = chooseEndpoint(options);
  const { image, efuse } = inFileSync(path, () => {
    const flash = { image: readFileSync(path), efuse: readEfuseBeside(path) };
    // What is damaged is bad input, not a bad day.
    openImage(memoryStorage(flash.image), flash.efuse === undefined ? {} : { efuse: flash.efuse });
    return flash;
  });
  using limit = new Deadline(signal, (options.timeout ?? TIMEOUT_S) * 1000);
  const { client, transport } = options;
  const result = await liveThrough(scenario, {
    image,
    device: { client, transport, endpoint, ...traced, ...(efuse === undefined ? {} : { efuse }) },
    watch: (device, boot) => {
      output.event({ power: boot }, `power on, for the ${ordinal(boot)} time`);
      tell(device, output);
    },
    signal: limit.signal,
  });
  output.result(result, words(result));
  return result.asExpected;
}

function words({ scenario, deviceId, state, hub, dpsCalls, boots, seconds, problems }: DayResult): string {
  return [
    `${scenario}: ${deviceId ?? 'the device'} is ${state} on ${hub ?? 'no hub'} after ${seconds} s of its own time.`,
    `  DPS asked ${dpsCalls} time${dpsCalls === 1 ? '' : 's'}, powered on ${boots} time${boots === 1 ? '' : 's'}`,
    ...(problems.length === 0 ? ['  as it should be'] : problems.map((problem) => `  not as it should be: ${problem}`)),
  ].join('\n');
}

function ordinal(count: number): string {
  return ['first', 'second', 'third'][count - 1] ?? `${count}th`;
}
