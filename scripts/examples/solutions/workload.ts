import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { type Device, type MethodHandler, type PowerOnOptions, powerOn } from '@zerotouch/firmware-sim/runtime/power-on';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import type { z } from 'zod';

/** What one turn of a workload gives. */
export interface Turn {
  /** Telemetry. */
  message: JsonObject;
  /** Reported properties, when something changed that an operator must know. */
  reported?: JsonObject;
}

/** What a device is for, once it is configured. It knows nothing of hubs: it is driven by its configuration and by commands. */
export interface Workload {
  /** Seconds between two turns, as configured. */
  readonly intervalSeconds: number;
  /** Commands, as direct methods. */
  readonly methods: Readonly<Record<string, MethodHandler>>;
  /** Takes the desired properties. @throws when it cannot work with them: the device then stays on its last good ones and reports why */
  configure(desired: JsonObject): void;
  turn(): Turn;
}

/** A device with its workload. */
export interface Running {
  readonly device: Device;
  /** Ends the workload, then switches the device off. */
  stop(): Promise<void>;
}

/** Powers a device on; as soon as it is configured, its workload runs. It rests while the device is away from its hub, and goes on by itself. */
export async function runWorkload(
  workload: Workload,
  { clock = systemClock, ...options }: Omit<PowerOnOptions, 'apply' | 'methods'>,
): Promise<Running> {
  let changed = new AbortController();
  const ended = new AbortController();
  const device = await powerOn({
    ...options,
    clock,
    methods: workload.methods,
    apply: async ({ values }) => {
      workload.configure(values);
      // A shorter interval counts from now on, not after the present one.
      changed.abort();
      changed = new AbortController();
    },
  });
  const work = (async () => {
    while (!ended.signal.aborted) {
      await turn(workload, device);
      await rest(clock, workload.intervalSeconds * 1000, AbortSignal.any([changed.signal, ended.signal]));
    }
  })();
  return {
    device,
    stop: async () => {
      ended.abort();
      await work;
      await device.stop();
    },
  };
}

async function turn(workload: Workload, device: Device): Promise<void> {
  // Nothing is measured for nobody: a device that must keep its readings while it is away would queue them here.
  if (device.state.state !== 'running') return;
  const { message, reported } = workload.turn();
  try {
    await device.send(message);
    if (reported !== undefined) await device.report(reported);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'NOT_CONNECTED') throw error;
  }
}

function rest(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return clock.wait(ms, signal).catch(() => undefined);
}

/** Reads what came from the cloud. @throws Error one line that says which property is wrong, as an operator reads it in the twin or the answer */
export function readJson<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new Error(`${issue?.path.join('.') || 'payload'}: ${issue?.message ?? 'is invalid'}`);
}
