/** How the device proves who it is. */
export type Attestation =
  /** PEM: the leaf, then its intermediates; and the leaf's private key. */
  | { readonly kind: 'x509'; readonly certificate: string; readonly privateKey: string }
  /** The device's own key, bytes: an individual one, or derived from its group's. */
  | { readonly kind: 'symmetric-key'; readonly key: Uint8Array };
