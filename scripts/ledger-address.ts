import { readSecret } from './secret.js';

/**
 * The address of a ledger as `--ledger` names it: a file (`sqlite:PATH`) openly; that of a server, which may hold a password, as a secret.
 * @throws Fault SECRET_FORM, SECRET_MISSING
 */
export async function ledgerAddress(reference: string): Promise<string> {
  return reference.startsWith('sqlite:') ? reference : readSecret(reference, '--ledger');
}
