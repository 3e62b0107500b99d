/** How the device proves who it is. */
export type Attestation =
  /** PEM: the leaf, then its intermediates; and the leaf's private key. */
  | { readonly kind: 'x509'; readonly certificate: string; readonly privateKey: string }
  /** The device's own key, bytes: an individual one, or derived from its group's. */
  | { readonly kind: 'symmetric-key'; readonly key: Uint8Array /** The other key of its enrolment. */; readonly secondary?: Uint8Array }
  /** The device's TPM: nothing secret was burnt. */
  | { readonly kind: 'tpm'; readonly tpm: IdentityTpm };

/** What attestation asks of a TPM. Each rejects with a Fault when the TPM cannot be reached or turns the command down. */
export interface IdentityTpm {
  /** TPM2B_PUBLIC of the endorsement key: what the enrolment holds. */
  endorsementKey(): Promise<Buffer>;
  /** TPM2B_PUBLIC of the storage root key. */
  storageRootKey(): Promise<Buffer>;
  /** Takes a key into the TPM out of the blob that only this TPM can open; it signs from then on, after a restart too. */
  activate(blob: Uint8Array): Promise<void>;
  /** HMAC-SHA256 with the key that was taken in last. */
  sign(data: Uint8Array): Promise<Buffer>;
}
