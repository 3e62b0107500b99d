import 'reflect-metadata';
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { ExtendedKeyUsageExtension } from '@peculiar/x509';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { validityFrom } from './authority.js';
import { drawSerialNumber, type Issuer, issueCertificate, makeKeyPair, privateKeyPem, publicKeyBytes, selfSign } from './certificates.js';
import { ManufacturingFault } from './faults.js';
import { type Files, MODE, writeDurably } from './files.js';

/** What a certificate must be good for to sign manifests: id-kp-documentSigning. Source: RFC 9336. */
export const DOCUMENT_SIGNING = '1.3.6.1.5.5.7.3.36';

/** File names of the signer in the folder of an authority; the first without extension. */
export const SIGNER_STEM = 'manifest';
export const SIGNER_FILES = { certificate: `${SIGNER_STEM}.pem`, key: `${SIGNER_STEM}.key` } as const;

const SIGNER_DAYS = 7300;

/** Who signs manifests for an authority. */
export interface ManifestSigner {
  /** Signed by the root, so that whoever trusts the root trusts the manifest; by itself where there is no root. */
  certificate: X509Certificate;
  /** Secret. */
  key: KeyObject;
  /** Files that were made now. */
  made: readonly string[];
}

/** What {@link openManifestSigner} needs. */
export interface SignerRequest {
  /** Folder of the authority. */
  directory: string;
  /** Goes into the name of what is made. */
  batch: string;
  /** The root that vouches for the signer; none where no device has a certificate. */
  root?: Issuer | undefined;
  clock: Clock;
  entropy: Entropy;
  files: Files;
}

/**
 * The signer of an authority, `manifest.pem` and `manifest.key` (0600), made where it is missing. It is kept apart from the keys that issue
 * identities: whoever signs manifests cannot make devices.
 * @throws ManufacturingFault AUTHORITY_INCOMPLETE, AUTHORITY_INVALID
 */
export async function openManifestSigner(request: SignerRequest): Promise<ManifestSigner> {
  const { directory, files, root } = request;
  const paths = { certificate: join(directory, SIGNER_FILES.certificate), key: join(directory, SIGNER_FILES.key) };
  const [pem, keyPem] = await Promise.all([files.read(paths.certificate), files.read(paths.key)]);
  // A key without its certificate is what a crash between the two writes leaves: nothing was signed with it yet.
  if (pem === undefined) return makeSigner(request, paths);
  if (keyPem === undefined) {
    throw new ManufacturingFault('AUTHORITY_INCOMPLETE', 'the key that signs manifests is missing', {
      where: paths.key,
      expected: `the key of ${paths.certificate}`,
      remedy: 'put it back; or move the certificate away, and a new signer is made',
    });
  }
  const signer = { ...parse(pem, keyPem, paths), made: [] };
  const problem = signerProblem(signer.certificate, root?.certificate);
  if (problem === undefined && signer.certificate.checkPrivateKey(signer.key)) return signer;
  throw new ManufacturingFault('AUTHORITY_INVALID', problem ?? 'the key that signs manifests does not match its certificate', {
    where: problem === undefined ? paths.key : paths.certificate,
    expected: 'the signer of this authority',
    remedy: 'move manifest.pem and manifest.key away, and a new signer is made',
  });
}

/** Why a certificate may not sign manifests for a root (for itself without one); `undefined` when it may. */
export function signerProblem(certificate: X509Certificate, root: X509Certificate | undefined): string | undefined {
  if (certificate.ca || !(certificate.keyUsage ?? []).includes(DOCUMENT_SIGNING)) return 'the certificate is not one that signs manifests';
  const issuer = root ?? certificate;
  if (certificate.issuer === issuer.subject && certificate.verify(issuer.publicKey)) return undefined;
  return 'the certificate that signs manifests was not issued by this root';
}

async function makeSigner(request: SignerRequest, paths: { certificate: string; key: string }): Promise<ManifestSigner> {
  const { directory, batch, root, clock, entropy, files } = request;
  const { privateKey, publicKey } = await makeKeyPair();
  const content = {
    commonName: `${batch} manifest ${entropy.bytes(4).toString('hex')}`,
    publicKey: publicKeyBytes(publicKey),
    serialNumber: drawSerialNumber(entropy),
    validity: validityFrom(clock, SIGNER_DAYS, root?.certificate),
    extensions: [new ExtendedKeyUsageExtension([DOCUMENT_SIGNING], true)],
  };
  const pem = root === undefined ? await selfSign(content, privateKey) : await issueCertificate(content, root);
  await files.makeFolder(directory, MODE.folder);
  await writeDurably(files, paths.key, privateKeyPem(privateKey), MODE.secret);
  await writeDurably(files, paths.certificate, pem, MODE.open);
  return { certificate: new X509Certificate(pem), key: privateKey, made: [paths.key, paths.certificate] };
}

function parse(pem: Buffer, keyPem: Buffer, paths: { certificate: string; key: string }): Omit<ManifestSigner, 'made'> {
  try {
    return { certificate: new X509Certificate(pem), key: createPrivateKey(keyPem) };
  } catch (cause) {
    const where = `${paths.certificate}, ${paths.key}`;
    throw new ManufacturingFault('AUTHORITY_INVALID', 'the signer of manifests cannot be read', {
      where,
      expected: 'a certificate and its private key in PEM',
      cause,
    });
  }
}
