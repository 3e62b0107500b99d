import type { X509Certificate } from 'node:crypto';
import type { ServerRoots } from '../identity/server-roots.js';

/** A server root that ends sooner than this, milliseconds, is warned about: 90 days, what a fleet needs to be updated. */
export const ROOT_NOTICE_MS = 90 * 24 * 60 * 60_000;

/** Codes of {@link DeviceWarning}. */
export const warningCodes = ['SERVER_ROOT_RETIRES', 'SERVER_ROOTS_RETIRE', 'SERVER_ROOT_UNREADABLE'] as const;

/** Something that works today and is known to end. */
export interface DeviceWarning {
  /**
   * `SERVER_ROOT_RETIRES`: the root that the server's chain ends at ends soon. `SERVER_ROOTS_RETIRE`: so do all that were burnt.
   * `SERVER_ROOT_UNREADABLE`: some of those burnt cannot be read.
   */
  readonly code: (typeof warningCodes)[number];
  /** The certificate, or the flash entry. */
  readonly where: string;
  /** One line. */
  readonly reason: string;
  readonly remedy: string;
  /** When it ends, ISO 8601. */
  readonly until?: string;
}

/**
 * What is to be warned about in the server roots of an image.
 * @param used the one that the server's chain ended at, where one did
 * @param now milliseconds since 1970; `undefined` where the clock was never set: no date is judged then
 */
export function rootWarnings({ certificates, unreadable }: ServerRoots, used: X509Certificate | undefined, now?: number): DeviceWarning[] {
  const warnings: DeviceWarning[] = [];
  if (unreadable > 0) {
    warnings.push({
      code: 'SERVER_ROOT_UNREADABLE',
      where: 'dps/srv_roots',
      reason: `${unreadable} of the server roots in the image cannot be read; the others serve`,
      remedy: 'burn the device again with certificates in PEM',
    });
  }
  if (now === undefined) return warnings;
  const retires = (root: X509Certificate): boolean => end(root) - now < ROOT_NOTICE_MS;
  if (used !== undefined && retires(used)) {
    warnings.push({
      code: 'SERVER_ROOT_RETIRES',
      where: nameOf(used),
      reason: "the root that the server's certificate chain ends at retires within 90 days",
      remedy: 'find out which root the service moves to, and see that the image has it',
      until: new Date(end(used)).toISOString(),
    });
  }
  const [first, ...others] = certificates;
  if (first !== undefined && certificates.every(retires)) {
    const last = others.reduce((latest, root) => (end(root) > end(latest) ? root : latest), first);
    warnings.push({
      code: 'SERVER_ROOTS_RETIRE',
      where: nameOf(last),
      reason: 'every server root in the image retires within 90 days: the device can then reach no server',
      remedy: 'burn the device again, or update it, with a root that lasts, before then',
      until: new Date(end(last)).toISOString(),
    });
  }
  return warnings;
}

function end({ validTo }: X509Certificate): number {
  return Date.parse(validTo);
}

function nameOf({ subject }: X509Certificate): string {
  return subject.replaceAll('\n', ', ');
}
