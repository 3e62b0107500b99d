import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeServerAuthority, makeServerIdentity, type ServerAuthority } from '@zerotouch/cloud-sim/doors/authority';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { validityFrom } from '@zerotouch/manufacturing/authority';
import {
  drawSerialNumber,
  issueCertificate,
  issuerOf,
  makeKeyPair,
  privateKeyPem,
  publicKeyBytes,
  selfSign,
} from '@zerotouch/manufacturing/certificates';

/** Tells what OpenSSL takes for one mutual handshake, CPU-milliseconds; `undefined` where it cannot be compiled. */
export async function compiledHandshake(folder: string): Promise<(() => number) | undefined> {
  const program = join(folder, 'handshake');
  const source = fileURLToPath(new URL('../../bench/handshake.c', import.meta.url));
  if (spawnSync('gcc', ['-O2', '-o', program, source, '-lssl', '-lcrypto'], { stdio: 'ignore' }).status !== 0) return undefined;
  const authority: ServerAuthority = await makeServerAuthority();
  const server = await makeServerIdentity(['localhost'], [], authority);
  const device = await makeDevice();
  const files = {
    'ca.pem': `${server.ca.trim()}\n${device.ca}`,
    'server.pem': server.certificate,
    'server.key': server.privateKey,
    'device.pem': device.cert,
    'device.key': device.key,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), `${text.trim()}\n`, { mode: 0o600 });
  return () => Number(execFileSync(program, ['500', folder], { encoding: 'utf8' }));
}

async function makeDevice(): Promise<{ ca: string; cert: string; key: string }> {
  const make = async (commonName: string) => {
    const pair = await makeKeyPair();
    const validity = validityFrom(systemClock, 30);
    return {
      pair,
      request: { commonName, publicKey: publicKeyBytes(pair.publicKey), serialNumber: drawSerialNumber(systemEntropy), validity },
    };
  };
  const root = await make('bench root');
  const ca = await selfSign({ ...root.request, authority: {} }, root.pair.privateKey);
  const device = await make('bench-1');
  return {
    ca: `${ca.trim()}\n`,
    cert: await issueCertificate(device.request, await issuerOf(ca, root.pair.privateKey)),
    key: privateKeyPem(device.pair.privateKey),
  };
}
