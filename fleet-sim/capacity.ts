import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { FleetFault } from './faults.js';

/** Descriptors of a process that are not its devices'. */
const OWN_DESCRIPTORS = 100;
/** Ports a device takes: its hub's, and that of DPS, which stays taken for a minute after. */
const PORTS_A_DEVICE = 2;

/** What a machine allows. */
export interface Machine {
  /** Open files a process; Infinity where nobody knows. */
  readonly descriptors: number;
  /** Ephemeral ports an address. */
  readonly ports: number;
  /** Whether connections may come from any address of 127.0.0.0/8. */
  readonly hasLoopbackRange: boolean;
}

/** What this machine allows. */
export function thisMachine(): Machine {
  const { status, stdout } = spawnSync('/bin/sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' });
  const descriptors = status === 0 ? Number(stdout.trim()) : Number.NaN;
  let ports = 16_384;
  try {
    const [least = 0, most = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
    ports = most - least + 1;
  } catch {
    // The range that IANA recommends, which most other systems use.
  }
  return {
    descriptors: Number.isNaN(descriptors) ? Number.POSITIVE_INFINITY : descriptors,
    ports,
    hasLoopbackRange: process.platform === 'linux',
  };
}

/** How a fleet is laid over a machine. */
export interface Layout {
  readonly processes: number;
  /** For each process the addresses that it connects from; empty: the system's choice. */
  readonly sources: readonly (readonly string[])[];
}

/**
 * Counts what a fleet needs before anything is started. Pure.
 * @param wanted processes asked for; absent: one a core, more where descriptors ask for it
 * @throws FleetFault TOO_FEW_DESCRIPTORS, TOO_FEW_PORTS
 */
export function layOut(
  { devices, host, cores, wanted }: { devices: number; host: string; cores: number; wanted: number | undefined },
  machine: Machine,
): Layout {
  const room = machine.descriptors - OWN_DESCRIPTORS;
  const least = room < 1 ? Number.POSITIVE_INFINITY : Math.ceil(devices / room);
  const processes = wanted ?? Math.max(1, Math.min(cores, devices), Number.isFinite(least) ? least : 0);
  if (processes < least) {
    throw new FleetFault('TOO_FEW_DESCRIPTORS', 'a process may not open as many files as its devices take', {
      where: 'ulimit -n',
      seen: machine.descriptors,
      expected: `${Math.ceil(devices / processes) + OWN_DESCRIPTORS} for ${Math.ceil(devices / processes)} devices a process`,
      remedy: room < 1 ? 'allow more with ulimit -n' : `use ${least} processes (--workers ${least}), or allow more with ulimit -n`,
    });
  }
  const ports = devices * PORTS_A_DEVICE;
  if (ports <= machine.ports * 0.9) return { processes, sources: Array.from({ length: processes }, () => []) };
  const isLocal = host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.'));
  if (!isLocal || !machine.hasLoopbackRange) {
    throw new FleetFault('TOO_FEW_PORTS', 'one address has not as many ephemeral ports as the fleet takes', {
      where: 'net.ipv4.ip_local_port_range',
      seen: machine.ports,
      expected: `${ports} for ${devices} devices, two each`,
      remedy: 'power on fewer devices here and more on other machines (--queue), or widen the range',
    });
  }
  const each = Math.ceil((Math.ceil(devices / processes) * PORTS_A_DEVICE) / (machine.ports * 0.7));
  const sources = Array.from({ length: processes }, (_, process) =>
    Array.from({ length: each }, (__, index) => {
      const number = process * each + index;
      return `127.77.${Math.floor(number / 250)}.${(number % 250) + 1}`;
    }),
  );
  return { processes, sources };
}
