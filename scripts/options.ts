import { InvalidArgumentError } from 'commander';

/** A TCP port as an option's value; 0 asks for a free one. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('expected a TCP port, 0 to 65535.');
  return port;
}

/** A count of processes as an option's value; 0 is none. */
export function parseProcesses(text: string): number {
  if (!/^\d{1,2}$/.test(text) || Number(text) > 64) throw new InvalidArgumentError('expected a number of processes, 0 to 64.');
  return Number(text);
}
