import { isIdScope } from '@zerotouch/azure-wire/ids';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { Owner } from './kept.js';
import { type Command, commands } from './power.js';

/** A command as it is to be carried out. */
export type Order = { readonly command: Exclude<Command, 'change-owner'> } | { readonly command: 'change-owner'; readonly owner: Owner };

/** Names of the direct methods by which a hub commands a device. */
export const methodNames: readonly string[] = commands;

/**
 * What a direct method asks for, or the words in which it is refused. `change-owner` takes `{"idScope": "0ne...", "endpoint": "HOST"}`, the
 * endpoint only where the new owner's DPS is of another cloud; the others take nothing.
 */
export function readOrder(name: string, payload: unknown): Order | { readonly refusal: string } {
  const command = commands.find((known) => known === name);
  if (command === undefined) return { refusal: `there is no method ${name}` };
  if (command !== 'change-owner') return { command };
  const { idScope, endpoint } = isJsonObject(payload) ? payload : {};
  if (typeof idScope !== 'string' || !isIdScope(idScope))
    return { refusal: 'expected {"idScope": "0ne..."}: the ID scope of the new owner' };
  if (endpoint === undefined) return { command, owner: { idScope } };
  if (typeof endpoint !== 'string' || !/^[A-Za-z0-9.-]{1,253}$/.test(endpoint)) return { refusal: 'expected endpoint to be a host name' };
  return { command, owner: { idScope, endpoint } };
}
