import { bareEtag } from '../../unique.js';
import { serviceChoices } from './choices.js';
import { ServiceError } from './errors.js';

/** What an If-Match header asks for. */
export type Match = { kind: 'none' } | { kind: 'any' } | { kind: 'etag'; etag: string };

/** Reads an If-Match header. */
export function readMatch(header: string | undefined): Match {
  if (header === undefined || header.trim() === '') return { kind: 'none' };
  const etag = bareEtag(header);
  return etag === '*' ? { kind: 'any' } : { kind: 'etag', etag };
}

/**
 * Whether what is there may be changed.
 * @param etag of what is there
 * @throws ServiceError 412
 */
export function checkMatch(match: Match, etag: string | undefined): void {
  if (match.kind === 'etag' && (etag === undefined || bareEtag(etag) !== match.etag)) {
    throw new ServiceError(serviceChoices.staleEtag.value, undefined, `If-Match names ${match.etag}, the etag is ${etag ?? 'none'}`);
  }
}
