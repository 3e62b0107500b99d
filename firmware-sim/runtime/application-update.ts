import { readFileSync } from 'node:fs';
import { appLength } from '@zerotouch/flash-image/app-image';
import type { RunningApp } from '@zerotouch/flash-image/app-slots';
import { readLayout } from '@zerotouch/flash-image/image';
import { isOtaData, otaSlots } from '@zerotouch/flash-image/layout';
import { fileStorage } from '@zerotouch/flash-image/storage';
import { inFileSync } from '@zerotouch/foundation/command/failure';
import type { Device } from './device.js';
import { BootFault } from './faults.js';

/**
 * An application from a file, as esptool makes it.
 * @throws ImageFault APP_MISSING, APP_DAMAGED, with the file's name
 */
export function readApplication(path: string): Buffer {
  const bytes = readFileSync(path);
  inFileSync(path, () => appLength(bytes, { partition: 'update', offset: 0 }));
  return bytes;
}

/**
 * Looks, before anything is booted, whether an image has a slot for another application.
 * @throws BootFault NO_SLOTS, ImageFault for what is no image
 */
export function requireSlots(path: string): void {
  const storage = fileStorage(path, { readOnly: true });
  try {
    const layout = inFileSync(path, () => readLayout(storage));
    if (!layout.partitions.some(isOtaData) || otaSlots(layout).length < 2) throw noSlots(path);
  } finally {
    storage.close();
  }
}

/**
 * Hands a running device a new application, and resolves with what runs once that has proved itself.
 * @throws BootFault NO_SLOTS when the image has none or the application that runs is on trial itself; UPDATE_FAILED when it could not be
 * written or the device went back to what ran before; BOOT_UNREACHABLE when `signal` is aborted first
 */
export async function updateApplication(device: Device, application: Uint8Array, signal: AbortSignal): Promise<RunningApp> {
  const before = device.application;
  const over = new AbortController();
  try {
    return await new Promise<RunningApp>((resolve, reject) => {
      let problem: Error | undefined;
      const onFault = ({ error }: { error: Error }): void => {
        problem = error;
      };
      const onSlots = ({ state, running }: { state: string; running: RunningApp | undefined }): void => {
        if (state !== 'settled') return;
        if (running !== undefined && running.name !== before?.name && !running.onTrial) resolve(running);
        else reject(failed(device, before, problem));
      };
      const aborted = (): void => reject(unproved(device));
      device.on('fault', onFault).on('slots', onSlots);
      over.signal.addEventListener('abort', () => device.off('fault', onFault).off('slots', onSlots), { once: true });
      signal.addEventListener('abort', aborted, { once: true, signal: over.signal });
      if (signal.aborted) aborted();
      else if (!device.update(application))
        reject(device.application === undefined ? noSlots(device.registrationId ?? 'device') : notNow(device));
    });
  } finally {
    over.abort();
  }
}

function noSlots(where: string): BootFault {
  return new BootFault('NO_SLOTS', 'the image has no slot for another application', {
    where,
    expected: 'a partition table with otadata, ota_0 and ota_1 (`partitions` in the batch spec)',
  });
}

function notNow(device: Device): BootFault {
  return new BootFault('NO_SLOTS', 'the device takes no other application now', {
    where: device.registrationId ?? 'device',
    seen: device.application?.onTrial === true ? `${device.application.name} is on trial` : device.state.state,
    expected: 'an application that has been running for a minute',
  });
}

function failed(device: Device, before: RunningApp | undefined, problem: Error | undefined): BootFault {
  return new BootFault('UPDATE_FAILED', `the new application did not stay${problem === undefined ? '' : `: ${problem.message}`}`, {
    where: device.registrationId ?? 'device',
    seen: `${(device.application ?? before)?.name ?? 'no application'} runs`,
  });
}

function unproved(device: Device): BootFault {
  return new BootFault('BOOT_UNREACHABLE', 'the new application has not proved itself in time', {
    where: device.registrationId ?? 'device',
    seen: device.state.state,
    remedy:
      'allow more time with --timeout: it stays once the device has been running with it for a minute; as it is, the next start goes back',
  });
}
