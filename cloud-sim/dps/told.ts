import type { RegistrationState, TrustBundle } from '@zerotouch/azure-wire/registration';
import type { RegistrationRecord } from '../store/store.js';
import { issuesCertificates, tellsTrustBundle } from './previews.js';

/** What a device is told of its finished registration: its state, and what its api-version knows besides. */
export function toldState(
  { state, issuedCertificateChain, trustBundleId }: RegistrationRecord,
  apiVersion: string,
  trustBundles: ReadonlyMap<string, TrustBundle>,
): RegistrationState {
  const trustBundle = trustBundleId !== undefined && tellsTrustBundle(apiVersion) ? trustBundles.get(trustBundleId) : undefined;
  return {
    ...state,
    ...(issuedCertificateChain !== undefined && issuesCertificates(apiVersion)
      ? { issuedCertificateChain: [...issuedCertificateChain] }
      : {}),
    ...(trustBundle === undefined || state.status !== 'assigned' ? {} : { trustBundle }),
  };
}
