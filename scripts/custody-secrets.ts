import type { BatchSpec } from '@zerotouch/manufacturing/spec';
import { readSecret } from './secret.js';

/**
 * Every secret that a spec wants for its CA keys, by reference; each is read once, so that one that comes from stdin can serve several levels.
 * @throws Fault SECRET_FORM, SECRET_MISSING
 */
export async function readCustodySecrets({ authority }: BatchSpec): Promise<Record<string, string>> {
  const { secretReferences } = await import('@zerotouch/manufacturing/custody');
  const secrets: Record<string, string> = {};
  for (const { where, reference } of secretReferences(authority)) secrets[reference] ??= await readSecret(reference, where);
  return secrets;
}
