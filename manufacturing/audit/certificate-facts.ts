import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Tell } from './findings.js';
import type { ImageFacts } from './image-facts.js';

/** What the certificates of an image are, read but not judged. */
export interface CertificateFacts {
  leaf: X509Certificate;
  /** Leaf first, as in the image. */
  chain: readonly X509Certificate[];
  ca: X509Certificate | undefined;
  /** Secret. */
  key: KeyObject | undefined;
}

const WHERE = 'partition esp_secure_cert';
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/** Reads the PEM texts of an image; what cannot be read is told. `undefined` without a device certificate. */
export function readCertificates({ certificates }: ImageFacts, tell: Tell): CertificateFacts | undefined {
  if (certificates?.device === undefined) return undefined;
  const chain = parseAll(certificates.device, `${WHERE}, device certificate`, tell);
  const ca = certificates.ca === undefined ? [] : parseAll(certificates.ca, `${WHERE}, CA certificate`, tell);
  const key = certificates.key === undefined ? undefined : parseKey(certificates.key, `${WHERE}, private key`, tell);
  const [leaf] = chain;
  return leaf === undefined ? undefined : { leaf, chain, ca: ca[0], key };
}

function parseAll(text: string, where: string, tell: Tell): X509Certificate[] {
  const blocks = blocksOf(text, where, tell);
  return blocks.flatMap((pem, index) => {
    try {
      return [known(pem)];
    } catch {
      tell('PEM_DAMAGED', `${where}, certificate ${index + 1}`);
      return [];
    }
  });
}

function parseKey(text: string, where: string, tell: Tell): KeyObject | undefined {
  const [block] = blocksOf(text, where, tell);
  if (block === undefined) return undefined;
  try {
    return createPrivateKey(block);
  } catch {
    tell('PEM_DAMAGED', where);
    return undefined;
  }
}

function blocksOf(text: string, where: string, tell: Tell): string[] {
  const blocks = text.match(BLOCK) ?? [];
  const around = text.replace(BLOCK, '').trim();
  if (blocks.length === 0) tell('PEM_DAMAGED', where, 'there is no whole block from BEGIN to END');
  else if (around.includes('-----')) tell('PEM_DAMAGED', where, 'a block has a beginning or an end only');
  else if (around !== '') tell('PEM_JUNK', where, `${around.length} characters`);
  return blocks;
}

/** Issuers are the same in every image of a batch; leaves are not, and the whole is dropped before it grows. */
const parsed = new Map<string, X509Certificate>();
const PARSED_MAX = 64;

function known(pem: string): X509Certificate {
  const before = parsed.get(pem);
  if (before !== undefined) return before;
  const certificate = new X509Certificate(pem);
  if (!certificate.ca) return certificate;
  if (parsed.size >= PARSED_MAX) parsed.clear();
  parsed.set(pem, certificate);
  return certificate;
}
