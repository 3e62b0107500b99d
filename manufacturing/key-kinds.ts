/** Kinds of device keys: P-256, P-384, RSA of 2048 bits. */
export const keyKinds = ['p256', 'p384', 'rsa2048'] as const;
/** Kind of a device key. */
export type KeyKind = (typeof keyKinds)[number];
