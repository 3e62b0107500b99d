import type { Tally } from './metrics.js';
import type { ShardOrder } from './shard.js';

/** What a fleet tells one of its processes. */
export type ToShard =
  | { readonly kind: 'prepare'; readonly images: readonly string[] }
  | { readonly kind: 'run'; readonly order: ShardOrder }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'cut'; readonly which: { share: number } | { region: string }; readonly forMs: number }
  /** Images that it waits for are burnt, or never will be. */
  | { readonly kind: 'burnt'; readonly images: readonly string[] }
  | { readonly kind: 'unburnt'; readonly image: string; readonly reason: string }
  | { readonly kind: 'end' };

/** What the process answers. */
export type FromShard =
  | { readonly kind: 'prepared'; readonly registrationIds: readonly string[] }
  | { readonly kind: 'fault'; readonly code: string; readonly message: string }
  /** Devices are due, and wait for their images. */
  | { readonly kind: 'wants'; readonly images: readonly string[] }
  | { readonly kind: 'tally'; readonly tally: Tally }
  /** Traces do not get to where they should; nothing else comes of that. */
  | { readonly kind: 'untold'; readonly detail: string }
  /** Every device has been running or never will, and every switch has been thrown. */
  | { readonly kind: 'settled'; readonly tally: Tally }
  /** Everything is switched off; the tally is of before. The process ends when whoever started it hangs up. */
  | { readonly kind: 'ended'; readonly tally: Tally };
