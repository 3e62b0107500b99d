import { basename, extname, join } from 'node:path';
import { type DeviceLine, readDeviceCsv } from './device-csv.js';
import type { Files } from './files.js';
import { readGivenFile } from './given-file.js';
import { InputFault } from './input-faults.js';
import { devicesIn } from './plan.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';

/** Endorsement keys by registration id: the public area of each TPM's key (TPM2B_PUBLIC), base64, as an enrolment carries it. */
export type EndorsementKeys = ReadonlyMap<string, string>;

/** Kinds of public areas: RSA, ECC. Source: TCG, TPM 2.0 Structures, TPM_ALG_ID. */
const ALGORITHMS = [0x0001, 0x0023];
const SHORTEST = 10;

/**
 * Reads the endorsement keys that the TPM groups of a spec name: a CSV of serial (or registration id) and key, or a folder of files named by
 * either; keys in base64, files also as the TPM wrote them. Every device must have one, and no two the same.
 * @throws InputFault ENDORSEMENT_INVALID
 */
export async function readEndorsements(
  spec: BatchSpec,
  files: Pick<Files, 'list' | 'read'>,
): Promise<ReadonlyMap<GroupSpec, EndorsementKeys>> {
  const owners = new Map<string, string>();
  const found = new Map<GroupSpec, EndorsementKeys>();
  for (const group of spec.groups) {
    if (group.endorsementKeys === undefined) continue;
    const path = group.endorsementKeys;
    const given = await readGiven(files, path);
    const keys = new Map<string, string>();
    for (const { registrationId, serial } of devicesIn({ ...spec, groups: [group] })) {
      const key = given.get(registrationId) ?? given.get(serial);
      if (key === undefined)
        throw invalid(path, 'a device has no endorsement key', undefined, `a key for ${registrationId} (or serial ${serial})`);
      const owner = owners.get(key);
      if (owner !== undefined)
        throw invalid(path, `two devices have one endorsement key: ${owner} and ${registrationId}`, undefined, 'a key for each TPM');
      owners.set(key, registrationId);
      keys.set(registrationId, key);
    }
    found.set(group, keys);
  }
  return found;
}

async function readGiven(files: Pick<Files, 'list' | 'read'>, path: string): Promise<Map<string, string>> {
  const names = await files.list(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  return names === undefined ? readCsv(files, path) : readFolder(files, path, names);
}

async function readCsv(files: Pick<Files, 'read'>, path: string): Promise<Map<string, string>> {
  const bytes = await readGivenFile(files, path, 'ENDORSEMENT_INVALID', 'lines of serial, endorsement key');
  if (bytes === undefined) throw invalid(path, 'there is no such file or folder', undefined, 'endorsement keys');
  const given = new Map<string, string>();
  let lines: DeviceLine[];
  try {
    lines = readDeviceCsv(bytes, /endorsement/i);
  } catch (cause) {
    throw invalid(path, 'the file is no CSV', cause, 'lines of serial, endorsement key');
  }
  for (const { name, value: key, line } of lines) {
    const where = `${path}:${line}`;
    if (given.has(name)) throw invalid(where, `${JSON.stringify(name)} is listed twice`, undefined, 'a line for each device');
    given.set(name, checked(Buffer.from(key, 'base64'), where));
  }
  return given;
}

async function readFolder(files: Pick<Files, 'read'>, path: string, names: readonly string[]): Promise<Map<string, string>> {
  const given = new Map<string, string>();
  // What file managers leave there (.DS_Store) is nobody's key.
  for (const name of names.filter((one) => !one.startsWith('.'))) {
    const where = join(path, name);
    const bytes = (await readGivenFile(files, where, 'ENDORSEMENT_INVALID', 'an endorsement key')) ?? Buffer.alloc(0);
    const text = bytes.toString('latin1').trim();
    given.set(basename(name, extname(name)), checked(/^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : bytes, where));
  }
  return given;
}

/** A public area says its own length and the kind of its key. */
function checked(area: Buffer, where: string): string {
  const sound = area.length >= SHORTEST && area.readUInt16BE(0) === area.length - 2 && ALGORITHMS.includes(area.readUInt16BE(2));
  if (sound) return area.toString('base64');
  throw invalid(
    where,
    'this is no endorsement key',
    undefined,
    "the public area of a TPM's key (TPM2B_PUBLIC), in base64: tpm2_readpublic -f tss, or the device SDK",
  );
}

function invalid(where: string, summary: string, cause: unknown, expected: string): InputFault {
  return new InputFault('ENDORSEMENT_INVALID', summary, { where, expected, ...(cause === undefined ? {} : { cause }) });
}
