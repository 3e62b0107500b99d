import type { DeviceOptions } from '@zerotouch/firmware-sim/runtime/device';
import { ownVersion } from './own-version.js';

/** The help of `--trace`, where a device or a fleet has it. */
export const TRACE_HELP = 'tell what happens as OpenTelemetry traces: to a file (OTLP JSON lines), or to a collector (http://HOST:4318)';

/** A line for traces that nobody takes. */
export function sayUntold(where: string): (detail: string) => void {
  return (detail) => void process.stderr.write(`zerotouch: traces do not get to ${where} (${detail}); no device is held up by that\n`);
}

/**
 * Does a device's work with what `--trace` asks for; resolves when the traces are out, too, or nobody takes them. Nothing of it is loaded unless asked for.
 * @throws FleetFault BAD_TRACE before the work is begun, and what the work throws
 */
export async function withTrace<T>(where: string | undefined, work: (device: Pick<DeviceOptions, 'trace'>) => Promise<T>): Promise<T> {
  if (where === undefined) return work({});
  const [{ openTracing }, { tracePlaceOf }] = await Promise.all([
    import('@zerotouch/fleet-sim/trace/tracing'),
    import('@zerotouch/fleet-sim/trace/trace-place'),
  ]);
  await using tracing = openTracing(tracePlaceOf(where), {
    service: 'zerotouch-device',
    version: ownVersion(),
    onTrouble: sayUntold(where),
  });
  return await work({ trace: tracing.api });
}
