import { type DeviceLine, readDeviceCsv } from './device-csv.js';
import type { SpecProblem } from './faults.js';
import type { Files } from './files.js';
import { readGivenFile } from './given-file.js';
import { InputFault } from './input-faults.js';
import { devicesIn } from './planned-devices.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';

/** The addresses of a group by position in it, counted from 0. */
export type MacOf = (index: number, names: { registrationId: string; serial: string }) => string | undefined;

const LAST = 0xffff_ffff_ffff;
const ADDRESS = /^[0-9A-Fa-f]{2}(?:([:-]?)[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}$/;

/** An address as people write it: lower case, a colon between bytes. */
export function macText(address: number): string {
  return address
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:');
}

/** What is wrong with the addresses that a spec itself gives. */
export function macProblems({ groups }: BatchSpec): SpecProblem[] {
  const ranges: { from: number; to: number; step: number; index: number }[] = [];
  const problems: SpecProblem[] = [];
  const seen = new Map<number, number>();
  for (const [index, { mac, serial }] of groups.entries()) {
    const path = ['groups', index, 'mac'];
    if (mac?.start !== undefined) {
      const from = numberOf(mac.start);
      const step = mac.step ?? 1;
      const to = from + (serial.count - 1) * step;
      if (to > LAST)
        problems.push({ path, summary: 'the addresses run out', seen: mac.start, expected: `room for ${serial.count} addresses` });
      ranges.push({ from, to, step, index });
    }
    if (mac?.list !== undefined && mac.list.length !== serial.count)
      problems.push({
        path,
        summary: 'the list is not as long as the group',
        seen: mac.list.length,
        expected: `${serial.count} addresses`,
      });
    for (const address of (mac?.list ?? []).map(numberOf)) {
      if (seen.has(address)) problems.push(twice(path, macText(address), seen.get(address) ?? index));
      seen.set(address, index);
    }
  }
  for (const [place, range] of ranges.entries()) {
    const path = ['groups', range.index, 'mac'];
    const has = ({ from, to, step }: typeof range, address: number): boolean =>
      address >= from && address <= to && (address - from) % step === 0;
    for (const [address, index] of seen) if (has(range, address)) problems.push(twice(path, macText(address), index));
    for (const other of ranges.slice(0, place)) {
      for (let address = range.from; address <= range.to; address += range.step) {
        if (!has(other, address)) continue;
        problems.push(twice(path, macText(address), other.index));
        break;
      }
    }
  }
  return problems;
}

/**
 * The addresses of each group; those of a CSV are read here, an address for every device, none twice.
 * @throws InputFault MAC_INVALID
 */
export async function readMacs({ groups }: Pick<BatchSpec, 'groups'>, files: Pick<Files, 'read'>): Promise<ReadonlyMap<GroupSpec, MacOf>> {
  const found = new Map<GroupSpec, MacOf>();
  for (const group of groups) {
    const { mac } = group;
    if (mac?.start !== undefined) {
      const [from, step] = [numberOf(mac.start), mac.step ?? 1];
      found.set(group, (index) => macText(from + index * step));
    }
    if (mac?.list !== undefined) found.set(group, (index) => mac.list?.[index]);
    if (mac?.csv !== undefined) {
      const macOf = await readCsv(mac.csv, files);
      // Every device is looked up before the first is planned.
      for (const names of devicesIn({ groups: [group] })) macOf(0, names);
      found.set(group, macOf);
    }
  }
  return found;
}

async function readCsv(path: string, files: Pick<Files, 'read'>): Promise<MacOf> {
  const bytes = await readGivenFile(files, path, 'MAC_INVALID', 'lines of serial, address');
  if (bytes === undefined) throw invalid(path, 'there is no such file', 'lines of serial, address');
  let lines: DeviceLine[];
  try {
    lines = readDeviceCsv(bytes, /mac|address/i);
  } catch (cause) {
    throw invalid(path, 'the file is no CSV', 'lines of serial, address', cause);
  }
  const given = new Map<string, string>();
  const owners = new Map<number, string>();
  for (const { name, value: address, line } of lines) {
    const where = `${path}:${line}`;
    if (!ADDRESS.test(address) || numberOf(address) >= 2 ** 48 || (Number.parseInt(address.slice(0, 2), 16) & 1) === 1)
      throw invalid(
        where,
        'this is not the MAC address of a station',
        'six bytes in hexadecimal, as 24:0a:c4:00:01:10',
        undefined,
        address,
      );
    if (given.has(name)) throw invalid(where, `${JSON.stringify(name)} is listed twice`, 'a line for each device');
    const owner = owners.get(numberOf(address));
    if (owner !== undefined)
      throw invalid(where, `${JSON.stringify(owner)} has this address, too`, 'an address for each device', undefined, address);
    given.set(name, macText(numberOf(address)));
    owners.set(numberOf(address), name);
  }
  return (_, { registrationId, serial }) => {
    const address = given.get(registrationId) ?? given.get(serial);
    if (address !== undefined) return address;
    throw invalid(path, 'a device has no MAC address', `an address for ${registrationId} (or serial ${serial})`);
  };
}

function numberOf(address: string): number {
  return Number.parseInt(address.replace(/[^0-9A-Fa-f]/g, ''), 16);
}

function twice(path: (string | number)[], seen: string, other: number): SpecProblem {
  const expected = `each address once in a batch; groups[${other}] has it too`;
  return { path, summary: 'a MAC address is used twice', seen, expected };
}

function invalid(where: string, summary: string, expected: string, cause?: unknown, seen?: string): InputFault {
  return new InputFault('MAC_INVALID', summary, {
    where,
    expected,
    ...(seen === undefined ? {} : { seen }),
    ...(cause === undefined ? {} : { cause }),
  });
}
