/**
 * Whether a device of this api-version may ask for a certificate: 2025-07-01-preview and newer. Older ones do not know the member `csr`.
 * Source: DPS device API (TypeSpec), 2025-07-01-preview.
 */
export function issuesCertificates(apiVersion: string): boolean {
  return apiVersion.slice(0, 10) >= '2025-07-01';
}

/** Whether a device of this api-version is told its trust bundle: one preview alone, which was never merged. Source: swagger, 2021-11-01-preview. */
export function tellsTrustBundle(apiVersion: string): boolean {
  return apiVersion === '2021-11-01-preview';
}
