import type { EventRecord, Ledger } from '../ledger/ledger.js';

/** What the events of a batch come to. */
export interface BatchEvents {
  /** Enrolment groups whose enrolments are revoked; an empty name stands for the whole batch. */
  revoked: ReadonlySet<string>;
  /** Fingerprints (SHA-256, as Node writes them) of CAs that were given up for new ones. */
  replaced: ReadonlySet<string>;
}

/** Reads what happened to a batch; nothing for one that the ledger does not have. */
export async function eventsOf(ledger: Ledger, batch: string | undefined): Promise<BatchEvents> {
  return outcomeOf(batch === undefined ? [] : await ledger.events(batch));
}

/** Whether the enrolments of a group are revoked, by itself or with its whole batch. */
export function isRevoked(revoked: ReadonlySet<string>, enrolmentGroup: string): boolean {
  return revoked.has('') || revoked.has(enrolmentGroup.toLowerCase());
}

function outcomeOf(events: readonly EventRecord[]): BatchEvents {
  const revoked = new Set<string>();
  const replaced = new Set<string>();
  for (const { kind, subject, detail } of events) {
    const group = subject.toLowerCase();
    if (kind === 'revoked') revoked.add(group);
    if (kind === 'reinstated') {
      if (group === '') revoked.clear();
      else revoked.delete(group);
    }
    if (kind === 'authority-replacing' && Array.isArray(detail.replaced))
      for (const fingerprint of detail.replaced) replaced.add(String(fingerprint));
  }
  return { revoked, replaced };
}
