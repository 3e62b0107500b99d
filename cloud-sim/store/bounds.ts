/** Attempts kept of one device; the oldest go first. */
export const ATTEMPTS_PER_DEVICE = 32;

/** Devices that attempts are kept of; the least recent go first. */
export const DEVICES_WITH_ATTEMPTS = 100_000;
