import 'reflect-metadata';
import type { X509Certificate } from 'node:crypto';
import { BasicConstraintsExtension, X509Certificate as ParsedCertificate } from '@peculiar/x509';
import { isIssuedBy, subjectLine, thumbprint, validityAt } from '../certificates.js';

/** Longest way from a leaf to its root that is followed. */
const MAX_DEPTH = 10;

/** An issuer on the way from a leaf to its root. */
export interface Issuer {
  certificate: X509Certificate;
  /** Whether DPS knows, here or further up, a CA whose possession was proved. */
  proved: boolean;
}

/** The issuers above a leaf. */
export interface Chain {
  /** Nearest first; each has signed the leaf or an issuer before it. */
  issuers: Issuer[];
  /** Certificates that signed but may not: one line each, for people. */
  unfit: string[];
}

/**
 * Climbs from a leaf over what the client sent and what DPS knows, verifying each signature. Pure.
 * Source: iot-dps/concepts-x509-attestation; RFC 5280, section 6.1 (signatures, validity, CA, path length).
 * @param sent whatever the client sent after its leaf, not trusted
 * @param proved CA certificates whose possession was proved
 * @param now milliseconds since 1970
 */
export function climb(leaf: X509Certificate, sent: readonly X509Certificate[], proved: readonly X509Certificate[], now: number): Chain {
  const anchors = new Set(proved.map(thumbprint));
  const pool = unique([...proved, ...sent]);
  const unfit: string[] = [];
  const climbed: { certificate: X509Certificate; above: X509Certificate[] }[] = [];
  const seen = new Set([thumbprint(leaf)]);
  let level = [leaf];
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: X509Certificate[] = [];
    for (const below of level) {
      const above = pool.filter((candidate) => thumbprint(candidate) !== thumbprint(below) && isIssuedBy(below, candidate));
      const fit = above.filter((candidate) => {
        const problem = unfitness(candidate, depth, now);
        if (problem !== undefined) unfit.push(problem);
        return problem === undefined;
      });
      if (below !== leaf) climbed.push({ certificate: below, above: fit });
      for (const issuer of fit) {
        if (seen.has(thumbprint(issuer))) continue;
        seen.add(thumbprint(issuer));
        next.push(issuer);
      }
    }
    level = next;
  }
  // From the root down, so that what is above has been decided before what is below asks.
  const anchored = new Set<string>();
  for (const { certificate, above } of climbed.toReversed()) {
    const print = thumbprint(certificate);
    if (anchors.has(print) || above.some((issuer) => anchored.has(thumbprint(issuer)))) anchored.add(print);
  }
  return {
    issuers: climbed.map(({ certificate }) => ({ certificate, proved: anchored.has(thumbprint(certificate)) })),
    unfit: [...new Set(unfit)],
  };
}

// `between` counts the CA certificates between this issuer and the leaf.
function unfitness(issuer: X509Certificate, between: number, now: number): string | undefined {
  if (!issuer.ca) return `${subjectLine(issuer)} signed, but is no CA`;
  const validity = validityAt(issuer, now);
  if (validity !== 'valid') return `${subjectLine(issuer)} is ${validity === 'expired' ? 'expired' : 'not yet valid'}`;
  const limit = pathLength(issuer);
  return limit !== undefined && between > limit
    ? `${subjectLine(issuer)} allows ${limit} CA certificates below it, here are ${between}`
    : undefined;
}

/** By thumbprint: the devices of a line all send the same issuers, each time in new objects. */
const pathLengths = new Map<string, number | undefined>();
const MOST_KEPT = 512;

function pathLength(certificate: X509Certificate): number | undefined {
  const print = thumbprint(certificate);
  if (!pathLengths.has(print)) {
    if (pathLengths.size >= MOST_KEPT) pathLengths.clear();
    pathLengths.set(print, new ParsedCertificate(certificate.raw).getExtension(BasicConstraintsExtension)?.pathLength);
  }
  return pathLengths.get(print);
}

// The first of equals stays: the ones DPS knows come first and are read once, not with each device.
function unique(certificates: readonly X509Certificate[]): X509Certificate[] {
  const byThumbprint = new Map<string, X509Certificate>();
  for (const certificate of certificates) {
    const print = thumbprint(certificate);
    if (!byThumbprint.has(print)) byThumbprint.set(print, certificate);
  }
  return [...byThumbprint.values()];
}
