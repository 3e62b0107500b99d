import { hubErrors } from '@zerotouch/azure-wire/errors';
import type { HubThrottled } from '../../hub/throttle.js';
import { HubApiError } from './errors.js';

/** @throws HubApiError 429 when the hub takes no more of it */
export function throttled(refused: HubThrottled | undefined): void {
  if (refused === undefined) return;
  const { reason, retryAfterSeconds } = refused;
  throw new HubApiError(hubErrors.throttled, 'Operations are being throttled', { reason: reason.text, retryAfterSeconds });
}
