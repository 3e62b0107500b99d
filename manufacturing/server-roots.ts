import { X509Certificate } from 'node:crypto';
import type { Files } from './files.js';
import { readGivenFile } from './given-file.js';
import { InputFault } from './input-faults.js';
import { leafDays } from './leaf-validity.js';
import type { SpecWarning } from './plan.js';
import type { BatchSpec } from './spec-schema.js';

/** More than that does not fit beside the rest of the factory data in its 12 KiB, bytes. */
const ROOM = 6_000;
const DAY_MS = 86_400_000;
const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * Reads the server roots that a spec names: PEM files of one CA certificate or more, each certificate once, in the order of the spec.
 * @returns PEM as it is burnt; `undefined` where the spec names none
 * @throws InputFault SERVER_ROOTS
 */
export async function readServerRoots(
  { serverRoots }: Pick<BatchSpec, 'serverRoots'>,
  files: Pick<Files, 'read'>,
): Promise<string | undefined> {
  if (serverRoots === undefined) return undefined;
  const roots = new Map<string, X509Certificate>();
  for (const path of serverRoots) for (const root of await readFile(path, files)) roots.set(root.fingerprint256, root);
  const pem = [...roots.values()].map(String).join('');
  if (pem.length <= ROOM) return pem;
  throw new InputFault('SERVER_ROOTS', 'the server roots do not fit into the factory data', {
    where: 'serverRoots',
    seen: `${pem.length} bytes`,
    expected: `at most ${ROOM} bytes of PEM`,
    remedy: 'name only the roots that the service documents',
  });
}

/**
 * What to think about before these roots are burnt.
 * @param now milliseconds since 1970
 * @throws InputFault SERVER_ROOTS where none of them is valid at that time
 */
export function serverRootWarnings(spec: BatchSpec, pem: string, now: number): SpecWarning[] {
  const roots = certificatesIn(pem);
  const valid = roots.filter((root) => Date.parse(root.validFrom) <= now && now < end(root));
  if (valid.length === 0) {
    throw new InputFault('SERVER_ROOTS', 'none of the server roots is valid today: the devices could reach no server', {
      where: 'serverRoots',
      seen: roots.map(describe).join('; '),
      expected: 'at least one CA certificate that is valid',
      remedy: 'name the roots that the service documents today',
    });
  }
  const days = Math.max(...spec.groups.map(leafDays));
  const lifeEnds = now + days * DAY_MS;
  const where = 'serverRoots';
  const last = roots.reduce((latest, root) => (end(root) > end(latest) ? root : latest));
  const warnings: SpecWarning[] = [];
  for (const root of roots) {
    if (now >= end(root)) {
      warnings.push({ code: 'SERVER_ROOT_EXPIRED', where, message: `${describe(root)} has expired: leave it out` });
    } else if (root !== last && end(root) < lifeEnds) {
      const message = `${describe(root)} retires within the ${days} days that the devices are made for: see that the root its servers move to is named too`;
      warnings.push({ code: 'SERVER_ROOT_RETIRES', where, message });
    }
  }
  if (end(last) < lifeEnds) {
    const message = `${describe(last)} is the last of the server roots to retire, within the ${days} days that the devices are made for: they then reach no server; name a root that lasts, or plan how they are updated before`;
    warnings.push({ code: 'SERVER_ROOTS_RETIRE', where, message });
  }
  if (roots.length === 1) {
    const message = `${describe(last)} is the only server root: the day the servers move to another, the devices are lost; name the one that follows it too`;
    warnings.push({ code: 'SERVER_ROOT_ALONE', where, message });
  }
  return warnings;
}

async function readFile(path: string, files: Pick<Files, 'read'>): Promise<X509Certificate[]> {
  const fault = (summary: string, seen?: string): InputFault =>
    new InputFault('SERVER_ROOTS', summary, {
      where: path,
      ...(seen === undefined ? {} : { seen }),
      expected: 'CA certificates in PEM, as the service documents its roots',
      remedy: 'take the root certificates from the documentation of the service (openssl x509 -inform der turns DER into PEM)',
    });
  const bytes = await readGivenFile(files, path, 'SERVER_ROOTS', 'CA certificates in PEM');
  if (bytes === undefined) throw fault('there is no such file');
  let roots: X509Certificate[];
  try {
    roots = certificatesIn(bytes.toString('latin1'));
  } catch {
    throw fault('a certificate cannot be read');
  }
  if (roots.length === 0) throw fault('there is no certificate in it');
  for (const root of roots) if (!root.ca) throw fault('the certificate is none of an authority', describe(root));
  return roots;
}

function certificatesIn(pem: string): X509Certificate[] {
  return (pem.match(BLOCK) ?? []).map((one) => new X509Certificate(one));
}

function end({ validTo }: X509Certificate): number {
  return Date.parse(validTo);
}

function describe(root: X509Certificate): string {
  return `${root.subject.replaceAll('\n', ', ')} (until ${new Date(end(root)).toISOString().slice(0, 10)})`;
}
