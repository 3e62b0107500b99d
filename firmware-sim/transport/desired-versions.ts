import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { HubSession } from '../boot/ports.js';

type Pulled = Awaited<ReturnType<HubSession['getTwin']>>;
type Patch = JsonObject & { $version: number };

/** The last version of the desired properties that a session has told: a change may come while its connection is being replaced. */
export class DesiredVersions {
  #told: number | undefined;
  readonly #listeners: (() => void)[] = [];

  /** The whole twin was asked for, and is told. */
  pulled(outcome: Pulled): Pulled {
    if (outcome.outcome === 'twin') this.#told = outcome.twin.desired.$version;
    return outcome;
  }

  /** A change is told. */
  changed(patch: Patch): Patch {
    this.#told = patch.$version;
    return patch;
  }

  /** Compares what was told with what is: calls the listeners when something was missed, or that cannot be known. */
  compare(outcome: Pulled): void {
    if (this.#told === undefined || (outcome.outcome === 'twin' && outcome.twin.desired.$version === this.#told)) return;
    for (const listener of this.#listeners) listener();
  }

  onMissed(listener: () => void): void {
    this.#listeners.push(listener);
  }
}
