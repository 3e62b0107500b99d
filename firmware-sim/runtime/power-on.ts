import type { Failure } from '../boot/ports.js';
import { Device, type DeviceOptions } from './device.js';
import { BootFault } from './faults.js';

export type { DeviceWarning } from '../boot/root-warnings.js';
export type { OpenTelemetry } from '../trace/open-telemetry.js';
export type { ClientName } from '../transport/client-names.js';
export { Device, type DeviceEvents, type DeviceOptions, type MethodHandler } from './device.js';
export { BootFault } from './faults.js';

/** How to wait for a boot. */
export interface PowerOnOptions extends DeviceOptions {
  /** Ends the attempt; the device is then switched off. */
  readonly signal?: AbortSignal;
  /** Give up when DPS refuses the identity, instead of asking again later. Default false. */
  readonly giveUpWhenRefused?: boolean;
  /** Called with the device before it is switched on, to attach listeners. */
  readonly watch?: (device: Device) => void;
}

/**
 * Powers a device on and resolves when it is running: assigned, connected, configured. The device then keeps itself
 * connected until `device.stop()`.
 * @throws BootFault BAD_OPTION, BOOT_HALTED when the image cannot be used, BOOT_REFUSED when refused and `giveUpWhenRefused`,
 * BOOT_UNREACHABLE or BOOT_REFUSED (by the last failure) when `signal` is aborted; the device is off by then
 */
export async function powerOn({ signal, giveUpWhenRefused = false, watch, ...options }: PowerOnOptions): Promise<Device> {
  // Whoever gives up when refused stands beside the device, and boots it again once the enrolment is mended.
  const policy = giveUpWhenRefused ? { keepMs: Number.POSITIVE_INFINITY, ...options.policy } : options.policy;
  const device = new Device({ ...options, ...(policy === undefined ? {} : { policy }) });
  try {
    await running(device, giveUpWhenRefused, signal, watch);
    return device;
  } catch (error) {
    await device.stop();
    throw error;
  }
}

async function running(
  device: Device,
  giveUpWhenRefused: boolean,
  signal: AbortSignal | undefined,
  watch: PowerOnOptions['watch'],
): Promise<void> {
  let lastFailure: { during: string; failure: Failure } | undefined;
  let lastFault: Error | undefined;
  const ended = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const on = device.on.bind(device) as Device['on'];
      const listen: Device['on'] = (name, listener) => {
        ended.signal.addEventListener('abort', () => device.off(name, listener));
        return on(name, listener);
      };
      listen('running', () => resolve());
      listen('failure', (failure) => {
        lastFailure = failure;
      });
      listen('fault', ({ error }) => {
        lastFault = error;
      });
      listen('halted', () => reject(lastFault ?? new BootFault('BOOT_HALTED', 'the image cannot be used')));
      listen('state', ({ table, state }) => {
        if (giveUpWhenRefused && table === 'assignment' && state === 'refused') reject(gaveUp(device, lastFailure));
        if (giveUpWhenRefused && state === 'safe') reject(inSafeMode(device));
      });
      // After our own listeners: a watcher that ends the attempt in its listener is told the failure that it saw.
      watch?.(device);
      const aborted = () => reject(gaveUp(device, lastFailure));
      signal?.addEventListener('abort', aborted, { once: true, signal: ended.signal });
      if (signal?.aborted === true) aborted();
      else device.start();
    });
  } finally {
    ended.abort();
  }
}

function inSafeMode(device: Device): BootFault {
  return new BootFault('BOOT_SAFE_MODE', 'too many boots in a row ended badly: the device reports, but applies no configuration', {
    where: device.registrationId ?? 'device',
    remedy: 'change its desired properties, or boot it again: this boot has ended well',
  });
}

/** Kinds that mean somebody answered and said no; all others mean that nobody could be reached or answered. */
const answeredNo: readonly Failure['outcome'][] = ['refused', 'ambiguous', 'invalid'];

function gaveUp(device: Device, last: { during: string; failure: Failure } | undefined): BootFault {
  const where = device.registrationId ?? 'device';
  if (last === undefined) {
    return new BootFault('BOOT_UNREACHABLE', `no answer in state ${device.state.state}`, {
      where,
      remedy: 'allow more time with --timeout, or look at the service',
    });
  }
  const { during, failure } = last;
  if (answeredNo.includes(failure.outcome)) {
    return new BootFault('BOOT_REFUSED', `${failure.outcome} when ${during}: ${failure.detail}`, {
      where,
      ...(failure.code === undefined ? {} : { seen: failure.code }),
      remedy: 'the log of the local cloud tells the real reason; on Azure, compare the enrolment with `zerotouch inspect`',
    });
  }
  return new BootFault('BOOT_UNREACHABLE', `${failure.outcome} when ${during}: ${failure.detail}`, {
    where,
    remedy: 'check that the service runs and can be reached from here',
  });
}
