import { request } from 'node:https';
import { buildSas } from '@zerotouch/azure-wire/sas';
import type { Attempt } from '@zerotouch/cloud-sim/reasons';
import { Fault } from '@zerotouch/foundation/fault';
import type { LocalService } from './local-service.js';

const TOKEN_SECONDS = 60;
const TIMEOUT_MS = 30_000;

/**
 * Asks a running local cloud what a device tried, oldest first.
 * @throws Fault NO_LOCAL_CLOUD when it does not answer, or answers something else
 */
export async function askAttempts({ connectionString, ca }: LocalService, registrationId: string): Promise<Attempt[]> {
  const parts = new Map(
    connectionString.split(';').map((part): [string, string] => [part.split('=', 1)[0] ?? '', part.slice(part.indexOf('=') + 1)]),
  );
  const [host = '', keyName = '', key = ''] = ['HostName', 'SharedAccessKeyName', 'SharedAccessKey'].map((name) => parts.get(name));
  const authorization = buildSas({
    resource: host,
    key: Buffer.from(key, 'base64'),
    expiry: Date.now() / 1000 + TOKEN_SECONDS,
    keyName,
  });
  const url = new URL(`https://${host}/zerotouch/attempts/${encodeURIComponent(registrationId)}?api-version=2021-10-01`);
  const { status, text } = await get(url, authorization, ca);
  if (status !== 200) throw noAnswer(`it answered ${status}`, host);
  return (JSON.parse(text) as { attempts: Attempt[] }).attempts;
}

function get(url: URL, authorization: string, ca: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca, headers: { authorization }, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    sent.on('error', (error: NodeJS.ErrnoException) => reject(noAnswer(`it does not answer (${error.code ?? error.name})`, url.host)));
    sent.end();
  });
}

function noAnswer(what: string, where: string): Fault {
  return new Fault('NO_LOCAL_CLOUD', `the local cloud cannot be asked: ${what}`, {
    where,
    remedy: 'start zerotouch cloud in this folder, or name the file of another one with --cloud',
  });
}
