import { X509Certificate } from 'node:crypto';
import type { AuditContext } from './context.js';
import type { Tell } from './findings.js';
import type { ImageFacts } from './image-facts.js';

const WHERE = 'partition fctry, dps/srv_roots';
const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** What is wrong with the roots that a device trusts its servers by. */
export function checkServerRoots({ factory }: ImageFacts, { now, horizon }: AuditContext, tell: Tell): void {
  const text = factory?.serverRoots;
  if (text === undefined) return;
  const blocks = text.match(BLOCK) ?? [];
  if (blocks.length === 0 || text.replace(BLOCK, '').trim() !== '')
    tell('SERVER_ROOT_UNREADABLE', WHERE, 'there is something else than whole PEM blocks');
  const roots = blocks.flatMap((pem, index) => readRoot(pem, index, tell));
  const living = roots.filter((root) => now <= end(root));
  for (const root of roots) {
    if (!living.includes(root)) tell('SERVER_ROOT_EXPIRED', placeOf(root), `on ${day(root)}`);
    else if (now + horizon > end(root)) tell('SERVER_ROOT_EXPIRES', placeOf(root), `on ${day(root)}`);
  }
  const last = roots.reduce<X509Certificate | undefined>(
    (one, root) => (one === undefined || end(root) > end(one) ? root : one),
    undefined,
  );
  if (last !== undefined && now + horizon > end(last)) tell('SERVER_ROOTS_EXPIRE', WHERE, `the last one on ${day(last)}`);
}

/** The roots are the same in every image of a batch: read once. */
const known = new Map<string, X509Certificate>();
const KNOWN_MAX = 64;

function readRoot(pem: string, index: number, tell: Tell): X509Certificate[] {
  try {
    const root = known.get(pem) ?? new X509Certificate(pem);
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(pem, root);
    if (root.ca) return [root];
    tell('SERVER_ROOT_UNREADABLE', placeOf(root), 'it is none of an authority');
  } catch {
    tell('SERVER_ROOT_UNREADABLE', `${WHERE}, certificate ${index + 1}`);
  }
  return [];
}

function end({ validTo }: X509Certificate): number {
  return Date.parse(validTo);
}

function day(root: X509Certificate): string {
  return new Date(end(root)).toISOString().slice(0, 10);
}

function placeOf({ subject }: X509Certificate): string {
  return `server root ${subject.replaceAll('\n', ', ')}`;
}
