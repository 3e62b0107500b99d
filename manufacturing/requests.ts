import 'reflect-metadata';
import { createHash, createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { isFault } from '@zerotouch/foundation/fault';
import type { Files } from './files.js';
import { InputFault } from './input-faults.js';
import { devicesIn } from './planned-devices.js';
import { algorithmOf } from './signer.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';

/** The requests of one group: where each device's lies. They are read again, and checked again, when the device's turn comes. */
export interface CertificateRequests {
  /**
   * The key of a device: SubjectPublicKeyInfo, DER. Whoever sent the request has proved to hold the private one.
   * @throws InputFault CSR_INVALID, CSR_MISSING
   */
  publicKeyOf(registrationId: string): Promise<Buffer>;
}

interface ReadRequest {
  commonName: string;
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Buffer;
  proved: () => Promise<boolean>;
}

/**
 * Finds the request of every device that a spec wants one for: whatever the files are called, the common name tells whose each is. Requests of
 * devices that the spec does not plan are left alone.
 * @param check looks at every request as its device's turn would: proof of possession, and no key twice in the batch
 * @throws InputFault CSR_INVALID a request that cannot be used; CSR_MISSING a device without one
 */
export async function openRequests(
  spec: Pick<BatchSpec, 'groups'>,
  files: Pick<Files, 'list' | 'read'>,
  { check = false }: { check?: boolean } = {},
): Promise<ReadonlyMap<GroupSpec, CertificateRequests>> {
  const found = new Map<GroupSpec, CertificateRequests>();
  const owners = new Map<string, string>();
  const folders = new Map<string, ReadonlyMap<string, string>>();
  for (const group of spec.groups) {
    const { certificateRequests: folder } = group;
    if (folder === undefined) continue;
    const paths = folders.get(folder) ?? (await namesIn(folder, files));
    folders.set(folder, paths);
    const requests = requestsIn(folder, paths, files);
    for (const { registrationId } of devicesIn({ groups: [group] })) {
      if (!paths.has(registrationId)) throw missing(folder, registrationId, paths);
      if (!check) continue;
      const digest = createHash('sha256')
        .update(await requests.publicKeyOf(registrationId))
        .digest('base64');
      const owner = owners.get(digest);
      if (owner !== undefined) {
        const where = paths.get(registrationId) ?? folder;
        throw invalid(
          where,
          `the key is that of ${owner}, too: one device could pose as the other`,
          'a key for each device',
          registrationId,
        );
      }
      owners.set(digest, registrationId);
    }
    found.set(group, requests);
  }
  return found;
}

/** The files of a folder by the common name in each. */
async function namesIn(folder: string, files: Pick<Files, 'list' | 'read'>): Promise<Map<string, string>> {
  const names = await files.list(folder).catch((cause: NodeJS.ErrnoException) => {
    throw invalid(folder, `the folder cannot be read (${cause.code})`, 'a folder of certificate requests');
  });
  if (names === undefined) throw invalid(folder, 'there is no such folder', 'a folder of certificate requests');
  const paths = new Map<string, string>();
  for (const name of names.filter((one) => !one.startsWith('.')).sort()) {
    const path = join(folder, name);
    const { commonName } = await readRequest(path, files);
    const other = paths.get(commonName);
    if (other !== undefined) throw invalid(path, `${other} is for the same device`, 'one request for each device', commonName);
    paths.set(commonName, path);
  }
  return paths;
}

function requestsIn(folder: string, paths: ReadonlyMap<string, string>, files: Pick<Files, 'read'>): CertificateRequests {
  return {
    async publicKeyOf(registrationId) {
      const path = paths.get(registrationId);
      if (path === undefined) throw missing(folder, registrationId, paths);
      const request = await readRequest(path, files);
      if (request.commonName !== registrationId)
        throw invalid(path, 'the common name is not the registration id', registrationId, request.commonName);
      if (await request.proved()) return request.publicKey;
      throw invalid(path, 'the request is not signed by the key in it: possession is not proved', 'the signature of its own key');
    },
  };
}

async function readRequest(path: string, files: Pick<Files, 'read'>): Promise<ReadRequest> {
  const expected = 'a PKCS #10 certificate request, PEM or DER';
  const bytes = await files.read(path).catch((cause: NodeJS.ErrnoException) => {
    throw invalid(path, `the file cannot be read (${cause.code})`, expected);
  });
  if (bytes === undefined || bytes.length === 0) throw invalid(path, 'the file is empty', expected);
  try {
    return parseRequest(bytes, path);
  } catch (error) {
    if (isFault(error)) throw error;
    throw invalid(path, 'the file cannot be read as a certificate request', expected);
  }
}

function parseRequest(bytes: Buffer, path: string): ReadRequest {
  const text = bytes.toString('latin1');
  const pem = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([^-]+)-----END (?:NEW )?CERTIFICATE REQUEST-----/g;
  const [block, another] = [...text.matchAll(pem)].map(([, body = '']) => body);
  if (another !== undefined) throw invalid(path, 'the file holds several requests', 'one request a file');
  if (block === undefined && text.includes('-----BEGIN '))
    throw invalid(path, 'the PEM holds no request', '-----BEGIN CERTIFICATE REQUEST-----');
  const request = new Pkcs10CertificateRequest(block === undefined ? bytes : Buffer.from(block, 'base64'));
  const names = request.subjectName.getField('CN');
  const [commonName] = names;
  if (commonName === undefined || names.length !== 1)
    throw invalid(
      path,
      names.length === 0 ? 'the request has no common name' : 'the request has several common names',
      'the registration id',
    );
  const publicKey = Buffer.from(request.publicKey.rawData);
  if (algorithmOf(createPublicKey({ key: publicKey, format: 'der', type: 'spki' })) === undefined)
    throw invalid(path, 'the key is of a kind that cannot be certified here', 'P-256, P-384, or RSA of 2048 bits and more');
  return { commonName, publicKey, proved: () => request.verify().catch(() => false) };
}

function missing(folder: string, registrationId: string, paths: ReadonlyMap<string, string>): InputFault {
  const alike = [...paths.keys()].find((name) => name.toLowerCase() === registrationId.toLowerCase());
  return new InputFault('CSR_MISSING', 'a device has no certificate request', {
    where: folder,
    ...(alike === undefined ? {} : { seen: alike }),
    expected: `a request with the common name ${registrationId}${alike === undefined ? '' : ', in exactly this case'}`,
  });
}

function invalid(where: string, summary: string, expected: string, seen?: string): InputFault {
  return new InputFault('CSR_INVALID', summary, { where, expected, ...(seen === undefined ? {} : { seen }) });
}
