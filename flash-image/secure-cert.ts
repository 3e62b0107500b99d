/** The certificates and the key of a device, each as PEM text. */
export interface SecureCert {
  /** The CA certificate, where one is carried. */
  readonly caCertificate?: string;
  /** The leaf, then its intermediates. */
  readonly deviceCertificate: string;
  /** Secret. */
  readonly privateKey: string;
}
