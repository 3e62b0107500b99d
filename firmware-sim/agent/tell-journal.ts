import { isFault } from '@zerotouch/foundation/fault';
import type { Device } from '../runtime/device.js';
import type { Journal } from './journal.js';
import { remedies } from './remedies.js';

/** Tells a journal what a device does, a line an event. */
export function tellJournal(device: Device, journal: Journal): void {
  device.on('state', ({ table, state, ms }) => {
    if (state !== 'running' && state !== 'halted') journal('info', 'state', { state, table, ms });
  });
  device.on('running', () => journal('notice', 'running', { device: device.deviceId, hub: device.hub, boot_ms: device.bootMs }));
  device.on('failure', ({ during, failure: { outcome, detail, code, retryAfterMs } }) =>
    journal('warning', 'failure', { kind: outcome, during, code, retry_after_ms: retryAfterMs, detail, remedy: remedies[outcome] }),
  );
  device.on('wait', ({ table, ms }) => journal('info', 'wait', { table, ms }));
  device.on('fault', ({ during, error }) =>
    journal('error', 'fault', { code: isFault(error) ? error.code : error.name, during, detail: error.message }),
  );
  device.on('warning', (warning) => journal('warning', 'warning', { ...warning }));
  device.on('halted', () => journal('error', 'halted', { image: 'cannot be used; it is looked at again in a minute' }));
}
