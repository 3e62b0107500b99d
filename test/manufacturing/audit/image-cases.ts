import { createPrivateKey, webcrypto } from 'node:crypto';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { deriveDeviceKey } from '@zerotouch/azure-wire/keys';
import { composeImage } from '@zerotouch/flash-image/image';
import { defaultLayout } from '@zerotouch/flash-image/layout';
import { NvsStore } from '@zerotouch/flash-image/nvs/store';
import { memoryStorage, region } from '@zerotouch/flash-image/storage';
import { EnrolmentIndex } from '@zerotouch/manufacturing/audit/check-enrolment';
import type { AuditContext } from '@zerotouch/manufacturing/audit/context';
import type { Finding, FindingCode } from '@zerotouch/manufacturing/audit/findings';
import { auditImage, type Company } from '@zerotouch/manufacturing/audit/image-audit';
import type { ImageFile } from '@zerotouch/manufacturing/audit/image-facts';
import { SpecIndex } from '@zerotouch/manufacturing/audit/spec-index';
import { Uniques } from '@zerotouch/manufacturing/audit/uniques';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import { type Crafted, certify, context, craft, factory, pki, texts } from './craft.js';

/** What triggers a code, and what comes close and does not. */
export interface Case {
  bad: () => Promise<Finding[]> | Finding[];
  good: () => Promise<Finding[]> | Finding[];
}

const sound = await pki();
const stranger = await pki();
const certified = texts(sound);
const random = (length: number): Buffer => Buffer.from(webcrypto.getRandomValues(new Uint8Array(length)));
const groupKey = random(64);
const keyed = { factory: { symmetricKey: deriveDeviceKey(groupKey, 'pump-1') } };

const of = (crafted: Crafted, company: Company = {}, changed: Partial<AuditContext> = {}): Finding[] =>
  auditImage(craft(crafted), { ...context, ...changed }, company);

/** One image that has it against one that does not. */
const pair = (bad: Crafted, good: Crafted = certified): Case => ({ bad: () => of(bad), good: () => of(good) });
const pkiPair = (bad: Parameters<typeof pki>[0], good: Parameters<typeof pki>[0] = {}): Case => ({
  bad: async () => of(texts(await pki(bad))),
  good: async () => of(texts(await pki(good))),
});
const named = (changed: Crafted['factory']): Crafted => ({ ...certified, ...(changed === undefined ? {} : { factory: changed }) });
const rooted = (serverRoots: string): Crafted => ({ ...certified, factory: { serverRoots } });
const serverRoot = async (to: number): Promise<string> =>
  (await certify(undefined, { subject: 'CN=servers', ca: true, from: -400, to })).pem;
const rootCase = (bad: number, good: number): Case => ({
  bad: async () => of(rooted(await serverRoot(bad))),
  good: async () => of(rooted(await serverRoot(good))),
});
const withSecret = (symmetricKey: Uint8Array): Crafted => ({ factory: { symmetricKey } });

const fielded = (image: Buffer): void => {
  NvsStore.open(region(memoryStorage(image), 0x10000, 0x6000)).set('zt', 'boots', { type: 'u32', value: 1 });
};
const halfWritten = (image: Buffer): void => {
  fielded(image);
  // The second entry of the first page lost a bit: what a power cut in the middle of a write leaves.
  image.writeUInt8(0x00, 0x10000 + 64 + 32 + 4);
};

function enrolments(changed: Partial<EnrolmentFile> = {}): Company {
  const file: EnrolmentFile = {
    version: 1,
    batch: 'works',
    idScope: factory.idScope,
    certificates: [],
    enrollmentGroups: [
      {
        enrollmentGroupId: 'x',
        attestation: { type: 'x509', x509: { signingCertificates: { primary: { certificate: sound.line.pem } } } },
      },
      { enrollmentGroupId: 'k', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: groupKey.toString('base64') } } },
    ],
    enrollments: [],
    ...changed,
  };
  return { enrolments: new EnrolmentIndex(file) };
}

const planned = (text: string): Company => ({
  spec: new SpecIndex(parseSpec(`version: 1\nbatch: works\ngroups:\n  - ${text}\n`, 'batch.yaml')),
});
const planOf = planned('{ enrolmentGroup: x, attestation: x509, registrationId: "pump-{serial}", serial: { count: 1, digits: 1 } }');

/** Two images one after the other; what is told of the second. */
function both(first: Crafted, second: Crafted): Finding[] {
  const uniques = new Uniques();
  auditImage(craft({ path: 'first.bin', ...first }), context, { uniques });
  return auditImage(craft({ path: 'second.bin', ...second }), context, { uniques });
}
const another = (changed: Crafted['factory'] = {}): Crafted => ({
  ...texts(stranger),
  factory: { registrationId: 'pump-2', serial: '000002', ...changed },
});

const efuse = random(32);
const encryptedImage = (): ImageFile => {
  const { ca = '', device = '', key = '' } = certified;
  const bytes = composeImage({
    factory,
    secureCert: { caCertificate: ca, deviceCertificate: device, privateKey: key },
    encryption: { scheme: 'hmac', efuse },
  });
  return { path: 'pump-1.bin', bytes, mode: 0o600 };
};

const tinyKey = async (): Promise<Crafted> => {
  const d = Buffer.alloc(32);
  d[31] = 1;
  // The generator point itself: the public key of the number 1.
  const x = Buffer.from('6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296', 'hex').toString('base64url');
  const y = Buffer.from('4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5', 'hex').toString('base64url');
  const jwk = { kty: 'EC', crv: 'P-256', d: d.toString('base64url'), x, y };
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const { d: _, ...open } = jwk;
  const keys = {
    privateKey: await webcrypto.subtle.importKey('jwk', jwk, algorithm, true, ['sign']),
    publicKey: await webcrypto.subtle.importKey('jwk', open, algorithm, true, ['verify']),
  };
  return texts({ ...sound, leaf: await certify(sound.line, { keys }) });
};

const rsa = (modulusLength: number) => ({
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
});

/** Every code that one image can have, by itself or in company. */
export const imageCases: Partial<Record<FindingCode, Case>> = {
  IMAGE_UNREADABLE: pair({ ...certified, patch: (image) => image.fill(0xff, 0x8000, 0x9000) }),
  LAYOUT_FOREIGN: pair({
    ...certified,
    layout: {
      ...defaultLayout,
      partitions: defaultLayout.partitions.map((entry) => (entry.name === 'factory' ? { ...entry, size: 0x80000 } : entry)),
    },
  }),
  FACTORY_DAMAGED: pair({ ...certified, patch: (image) => image.writeUInt8(0, 0x16000 + 70) }),
  CERTIFICATES_DAMAGED: pair({ ...certified, patch: (image) => image.writeUInt8(0, 0xd000 + 40) }),
  EFUSE_MISSING: {
    bad: () => [...auditImage(encryptedImage(), context), ...auditImage({ ...encryptedImage(), efuse: random(32) }, context)],
    good: () => auditImage({ ...encryptedImage(), efuse }, context),
  },
  NVS_DAMAGED: {
    bad: () => of({ ...certified, patch: halfWritten }, {}, { life: 'fielded' }),
    good: () => of({ ...certified, patch: fielded }, {}, { life: 'fielded' }),
  },
  IMAGE_FIELDED: {
    bad: () => of({ ...certified, patch: fielded }),
    good: () => of({ ...certified, patch: fielded }, {}, { life: 'fielded' }),
  },
  STRAY_BYTES: pair(
    { ...certified, patch: (image) => image.writeUInt8(0, 0xf100) },
    { ...certified, patch: (image) => image.writeUInt8(0, 0x10) },
  ),
  FILE_EXPOSED: pair({ ...certified, mode: 0o644 }, { ...certified, mode: 0o400 }),

  ID_BAD: pair(named({ registrationId: 'pump/1' }), named({ registrationId: 'pump-1:a_b.c' })),
  ID_CN_PREFIX: pair(named({ registrationId: 'CN=pump-1' }), named({ registrationId: 'cn-pump-1' })),
  ID_TOO_LONG: pair(named({ registrationId: 'p'.repeat(65) }), named({ registrationId: 'p'.repeat(64) })),
  ID_UPPER_CASE: pair(named({ registrationId: 'Pump-1' })),
  SERIAL_EMPTY: pair(named({ serial: '' })),
  SCOPE_BAD: pair(named({ idScope: '0ne123' }), named({ idScope: '0neFFFFFFFF' })),
  ENDPOINT_BAD: pair(named({ endpoint: 'https://global.azure-devices-provisioning.net' }), named({ endpoint: 'dps.works.example' })),
  ENDPOINT_FOREIGN_CLOUD: {
    bad: () => of(named({ endpoint: 'global.azure-devices-provisioning.cn' })),
    good: () =>
      of(
        named({ endpoint: 'global.azure-devices-provisioning.cn' }),
        {},
        {
          spec: parseSpec(
            'version: 1\nbatch: b\nendpoint: global.azure-devices-provisioning.cn\ngroups: [{ enrolmentGroup: x, attestation: x509, registrationId: "p-{serial}", serial: { count: 1 } }]',
            'batch.yaml',
          ),
        },
      ),
  },

  CREDENTIALS_MISSING: {
    bad: () => of({}),
    good: () =>
      of({}, enrolments({ enrollments: [{ registrationId: 'pump-1', attestation: { type: 'tpm', tpm: { endorsementKey: 'AAAA' } } }] })),
  },
  CREDENTIALS_TWICE: pair({ ...certified, ...keyed }, keyed),
  PEM_DAMAGED: pair({ ...certified, device: sound.leaf.pem.replace('-----END CERTIFICATE-----', '') }),
  PEM_JUNK: pair({ ...certified, device: `Bag Attributes\n${certified.device}` }, { ...certified, device: `${certified.device}\n\n` }),
  CN_EMPTY: pkiPair({ leaf: { subject: 'O=works' } }),
  CN_NOT_ID: pkiPair({ leaf: { subject: 'CN=Pump-1' } }, { leaf: { subject: 'CN=pump-1,O=works' } }),
  LEAF_IS_CA: pkiPair({ leaf: { ca: true } }),
  ISSUER_NOT_CA: pkiPair({ line: { ca: false } }),
  ISSUER_KEY_IN_IMAGE: pair({ ...certified, key: sound.line.keyPem }),
  CHAIN_MISSING: {
    bad: () => of({ ...certified, device: sound.leaf.pem }),
    good: async () => of({ ...certified, ...(await belowRoot()) }),
  },
  CHAIN_ORDER: pair(
    { ...certified, device: sound.leaf.pem + sound.root.pem + sound.line.pem },
    { ...certified, device: sound.leaf.pem + sound.line.pem + sound.root.pem },
  ),
  CHAIN_BROKEN: {
    bad: async () => of(texts({ ...sound, line: await certify(sound.root, { subject: sound.line.subject, ca: true, to: 5000 }) })),
    good: () => of(certified),
  },
  LEAF_EXPIRED: pkiPair({ leaf: { from: -400, to: -1 } }, { leaf: { from: -400, to: 1 } }),
  ISSUER_EXPIRED: pkiPair({ line: { from: -400, to: -1 } }, { line: { from: -400, to: 1 } }),
  LEAF_EXPIRES: pkiPair({ leaf: { from: -400, to: 89 } }, { leaf: { from: -400, to: 91 } }),
  ISSUER_EXPIRES: pkiPair({ root: { from: -400, to: 89 } }, { root: { from: -400, to: 91 } }),
  NOT_YET_VALID: pkiPair({ leaf: { from: 1 } }),
  LEAF_OUTLIVES_ISSUER: pkiPair({ leaf: { to: 5001 } }, { leaf: { to: 5000 } }),
  VALIDITY_SHORT: pkiPair({ line: { from: -10, to: 20 } }, { line: { from: -10, to: 81 } }),
  DEBUG_CERTIFICATE: pkiPair(
    { root: { subject: 'CN=Azure IoT CA TestOnly Root CA - Test Only' } },
    { root: { subject: 'CN=attestation works' } },
  ),
  SIGNATURE_WEAK: pkiPair({ leaf: { hash: 'SHA-1' } }),
  SERVER_ROOT_RETIRED: pkiPair({ root: { subject: 'CN=Baltimore CyberTrust Root' } }),
  SERVER_ROOT_UNREADABLE: {
    bad: () => of(rooted(`${sound.root.pem}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n`)),
    good: () => of(rooted(sound.root.pem)),
  },
  SERVER_ROOT_EXPIRED: rootCase(-1, 1),
  SERVER_ROOT_EXPIRES: rootCase(89, 91),
  SERVER_ROOTS_EXPIRE: {
    bad: async () => of(rooted((await serverRoot(89)) + (await serverRoot(10)))),
    good: async () => of(rooted((await serverRoot(91)) + (await serverRoot(10)))),
  },
  KEY_MISSING: {
    bad: () => of({ ...certified, key: undefined }),
    good: () =>
      of(
        { ...certified, key: undefined },
        planned(
          '{ enrolmentGroup: x, attestation: x509, certificateRequests: csr, registrationId: "pump-{serial}", serial: { count: 1, digits: 1 } }',
        ),
      ),
  },
  KEY_MISMATCH: pair({ ...certified, key: stranger.leaf.keyPem }),
  KEY_WEAK: {
    bad: async () => [...of(await tinyKey()), ...of(texts(await pki({ leaf: { algorithm: rsa(1024) } }))), ...of(withSecret(random(8)))],
    good: async () => [...of(texts(await pki({ leaf: { algorithm: rsa(2048) } }))), ...of(withSecret(random(16)))],
  },
  SECRET_DEFAULT: {
    bad: () =>
      ['0'.repeat(32), 'correct horse battery', '\0'.repeat(16), '\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10']
        .map((text) => of(withSecret(Buffer.from(text, 'latin1'))))
        .reduce((all, found) => (all.length === 0 || found.length === 0 ? [] : found)),
    good: () => of(keyed),
  },

  GROUP_KEY_UNDILUTED: { bad: () => of(withSecret(groupKey), enrolments()), good: () => of(keyed, enrolments()) },
  GROUP_KEY_IN_IMAGE: {
    bad: () => of({ ...keyed, patch: (image) => image.write(groupKey.toString('base64'), 0x17c00) }, enrolments()),
    good: () => of(keyed, enrolments()),
  },
  KEY_NOT_ENROLLED: {
    bad: () => of({ factory: { registrationId: 'PUMP-1', symmetricKey: deriveDeviceKey(groupKey, 'pump-1') } }, enrolments()),
    good: () => of({ factory: { registrationId: 'PUMP-1', symmetricKey: deriveDeviceKey(groupKey, 'PUMP-1') } }, enrolments()),
  },
  NOT_ENROLLED: {
    bad: () => of(texts(stranger), enrolments()),
    good: () => [
      ...of(certified, enrolments()),
      ...of(
        texts(stranger),
        enrolments({
          enrollments: [
            {
              registrationId: 'PUMP-1',
              attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: stranger.leaf.pem } } } },
            },
          ],
        }),
      ),
    ],
  },

  ID_SHARED: { bad: () => both(certified, another({ registrationId: 'PUMP-1' })), good: () => both(certified, another()) },
  SERIAL_SHARED: { bad: () => both(certified, another({ serial: '000001' })), good: () => both(certified, another()) },
  KEY_SHARED: {
    bad: () => both(keyed, { factory: { ...keyed.factory, registrationId: 'pump-2', serial: '000002' } }),
    good: () => both(certified, another()),
  },
  CERTIFICATE_SERIAL_SHARED: {
    bad: async () => both(...(await twins('4711', '4711'))),
    good: async () => both(...(await twins('4711', '4712'))),
  },

  NOT_IN_SPEC: { bad: () => of(named({ registrationId: 'pump-2', serial: '2' }), planOf), good: () => of(named({ serial: '1' }), planOf) },
  SPEC_MISMATCH: { bad: () => of(named({ serial: '1', idScope: '0ne00000FFF' }), planOf), good: () => of(named({ serial: '1' }), planOf) },
};

async function belowRoot(): Promise<Pick<Crafted, 'device' | 'key'>> {
  const leaf = await certify(sound.root);
  return { device: leaf.pem, key: leaf.keyPem };
}

async function twins(first: string, second: string): Promise<[Crafted, Crafted]> {
  const a = await certify(sound.line, { serialNumber: first });
  const b = await certify(sound.line, { serialNumber: second, subject: 'CN=pump-2' });
  return [texts({ ...sound, leaf: a }), { ...texts({ ...sound, leaf: b }), factory: { registrationId: 'pump-2', serial: '000002' } }];
}

/** That the sound image is really sound: it has no finding at all. */
export const soundImages = (): Finding[] => {
  // The keys of the crafted images are P-256, as those of a burn.
  if (createPrivateKey(sound.leaf.keyPem).asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('another curve');
  return [...of(certified, enrolments()), ...of(keyed, enrolments())];
};
