import { generateKeyPairSync, sign } from 'node:crypto';
import { closeSync, fsyncSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import { composeImage, type ImageContents } from '@zerotouch/flash-image/image';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { validityFrom } from '@zerotouch/manufacturing/authority';
import {
  drawSerialNumber,
  type Issuer,
  issueCertificate,
  issuerOf,
  makeKeyPair,
  publicKeyBytes,
  selfSign,
} from '@zerotouch/manufacturing/certificates';
import { type CredentialSource, makeCredentials } from '@zerotouch/manufacturing/credentials';
import { defaultFlash, drawEncryption, type FlashPlan, flashContents } from '@zerotouch/manufacturing/flash';
import { planBatch } from '@zerotouch/manufacturing/plan';
import { readBack } from '@zerotouch/manufacturing/read-back';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import { type BenchResult, cpuMs, resultOf, round } from './measure.js';

/** Images in a round, and rounds: the medians of the rounds are told, for the machine may be busy with other things. */
const IMAGES = 400;
const ROUNDS = 9;
const SYNCED = 50;
const BATCH = `version: 1
batch: bench
encryption: hmac
groups:
  - { enrolmentGroup: bench, attestation: x509, registrationId: "pump-{serial}", serial: { count: ${IMAGES} } }
`;

/**
 * CPU time an image: key, certificate, image, encryption, into a file and back out of it, full read-back. The peer is the bare P-256 key with one
 * signature, without which there is no certificate; it is measured between the rounds, so that both meet the same load.
 */
export async function benchBurn(): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'zerotouch-bench-'));
  try {
    const burnRound = await preparedRound(join(folder, 'slot.bin'));
    await burnRound();
    bareRound();
    const [ours, bare]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      bare.push((await cpuMs(bareRound)) / IMAGES);
      ours.push((await cpuMs(burnRound)) / IMAGES);
    }
    const pair = round(median(bare));
    const others = { 'bare P-256 key and signature': pair };
    return resultOf(
      'burn',
      'CPU-ms an image',
      median(ours),
      { peer: others, limit: others },
      {
        imagesPerCpuSecond: Math.round(1000 / median(ours)),
        disk: await diskCost(folder),
      },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function bareRound(): void {
  const message = Buffer.alloc(300);
  for (let count = 0; count < IMAGES; count++) sign('sha256', message, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
}

/** A round of the factory's own steps. The file is there beforehand: what it costs to make files and to sync them is told apart. */
async function preparedRound(path: string): Promise<() => Promise<void>> {
  const spec = parseSpec(BATCH, 'bench.yaml');
  const { devices } = planBatch(spec);
  const source = await makeSource();
  const flash: FlashPlan = { ...defaultFlash, encryption: spec.encryption };
  const file = openSync(path, 'w+');
  const onDisk = Buffer.alloc(0x20000);
  return async () => {
    for (const device of devices) {
      const { registrationId, serial } = device;
      const encryption = drawEncryption(flash, systemEntropy);
      const credentials = await makeCredentials(device, source, systemEntropy);
      if (credentials.kind !== 'x509' || source.kind !== 'line' || encryption?.scheme !== 'hmac')
        throw new TypeError('the bench burns X.509 for HMAC');
      const { chainPem, privateKeyPem } = credentials;
      const contents: ImageContents = {
        ...flashContents(flash, encryption),
        factory: { idScope: LOCAL_ID_SCOPE, endpoint: spec.endpoint, registrationId, serial },
        secureCert: { caCertificate: source.rootPem, deviceCertificate: chainPem, privateKey: privateKeyPem },
      };
      const image = composeImage(contents);
      writeSync(file, image, 0, image.length, 0);
      readSync(file, onDisk, 0, onDisk.length, 0);
      readBack(onDisk, { image, forbidden: [], ...contents }, { efuse: encryption.efuse });
    }
  };
}

async function makeSource(): Promise<CredentialSource> {
  const make = async (commonName: string, issuer: Issuer | undefined): Promise<Issuer> => {
    const { privateKey, publicKey } = await makeKeyPair();
    const request = {
      commonName,
      publicKey: publicKeyBytes(publicKey),
      serialNumber: drawSerialNumber(systemEntropy),
      validity: validityFrom(systemClock, 7000),
      authority: {},
    };
    return issuerOf(await (issuer === undefined ? selfSign(request, privateKey) : issueCertificate(request, issuer)), privateKey);
  };
  const root = await make('bench root', undefined);
  return { kind: 'line', line: await make('bench line', root), rootPem: root.pem, validity: validityFrom(systemClock, 3650) };
}

/** What making and syncing the file of an image costs: CPU-milliseconds, and milliseconds until the disk has it. */
async function diskCost(folder: string): Promise<Record<string, number>> {
  const image = Buffer.alloc(0x20000, 0xff);
  const paths = Array.from({ length: SYNCED }, (_, index) => join(folder, `${index}.bin`));
  const createCpuMs = await cpuMs(() => {
    for (const path of paths) writeFileSync(path, image);
  });
  const start = performance.now();
  const syncCpuMs = await cpuMs(() => {
    for (const path of paths) {
      const file = openSync(path, 'r+');
      fsyncSync(file);
      closeSync(file);
    }
  });
  const each = (value: number): number => round(value / SYNCED);
  return { createCpuMs: each(createCpuMs), syncCpuMs: each(syncCpuMs), syncMs: each(performance.now() - start) };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
