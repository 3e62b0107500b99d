import type { Entropy } from '@zerotouch/foundation/entropy';
import { guid } from '../../unique.js';
import { armChoices } from './choices.js';
import { managerError } from './errors.js';
import type { ArmAnswer, ArmCall } from './route.js';

/**
 * What was done and is asked for again: Azure works on a resource after it has answered, and its clients wait by asking how far it is. Here all is
 * done when the answer goes out, so that every operation has succeeded.
 */
export class Operations {
  readonly #done = new Set<string>();
  readonly #entropy: Entropy;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  /** Headers that tell a client where to ask. @param id of the resource */
  begun(id: string, { origin, apiVersion }: ArmCall): Record<string, string> {
    const operation = guid(this.#entropy);
    this.#done.add(operation);
    if (this.#done.size > armChoices.oldOperations.value) this.#done.delete([...this.#done][0] ?? '');
    const url = `${origin}${id}/operationresults/${operation}?api-version=${apiVersion}&asyncinfo`;
    return { 'azure-asyncoperation': url, 'retry-after': '0' };
  }

  /** How far an operation is. */
  answer({ part }: ArmCall): ArmAnswer {
    if (!this.#done.has(part))
      throw managerError(404, 'OperationNotFound', `there is no operation ${JSON.stringify(part)}, or it is long done`);
    return { body: { status: 'Succeeded' } };
  }
}
