/** How the device proves who it is. */
export type Attestation =
  /** PEM: the leaf, then its intermediates; and the leaf's private key. */
  | { readonly kind: 'x509'; readonly certificate: string; readonly privateKey: string }
  /** The device's own key, bytes: an individual one, or derived from its group's. */
  | { readonly kind: 'symmetric-key'; readonly key: Uint8Array };

/** Everything that was burnt into the device and that it presents to DPS. */
export interface Identity {
  readonly idScope: string;
  /** Host name of DPS as burnt. */
  readonly endpoint: string;
  readonly registrationId: string;
  readonly serial: string;
  readonly attestation: Attestation;
}
