import { sized, uint16, uint32 } from '@zerotouch/azure-wire/tpm-bytes';

/** SHA-256 as the TPM calls it. Source: TCG Algorithm Registry. */
export const SHA256 = uint16(0x000b);
/** AES-128 in CFB mode, as the parameter of Import (TPMT_SYM_DEF_OBJECT). */
export const AES_128_CFB = Buffer.concat([uint16(0x0006), uint16(128), uint16(0x0043)]);
/** No symmetric algorithm. */
export const NO_ALGORITHM = uint16(0x0010);

const RSA = uint16(0x0001);
/** The digest of PolicySecret with the endorsement hierarchy. Source: TCG EK Credential Profile 2.3, B.3.3 (template L-1). */
const EK_POLICY = Buffer.from('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa', 'hex');

/** The endorsement key: the same for a TPM whenever it is made. Source: TCG EK Credential Profile 2.3, template L-1 (RSA 2048). */
export const endorsementKeyTemplate = storageKey(0x000300b2, EK_POLICY);

/** The storage root key. Source: TCG TPM v2.0 Provisioning Guidance, 7.5.1. */
export const storageRootKeyTemplate = storageKey(0x00030472, Buffer.alloc(0));

/** TPMT_PUBLIC of an RSA-2048 key that protects others with AES-128. Source: TPM 2.0 Library, part 2, section 12.2. */
function storageKey(attributes: number, policy: Buffer): Buffer {
  const parameters = Buffer.concat([AES_128_CFB, NO_ALGORITHM, uint16(2048), uint32(0)]);
  return Buffer.concat([RSA, SHA256, uint32(attributes), sized(policy), parameters, sized(Buffer.alloc(256))]);
}
