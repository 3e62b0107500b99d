import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { buildSas } from '@zerotouch/azure-wire/sas';
import type { StreamedEvent } from '@zerotouch/cloud-sim/api/hub/events';
import { Fault } from '@zerotouch/foundation/fault';

const TOKEN_SECONDS = 3600;

/** A hub of a running local cloud, and how its service API is reached. */
export interface LocalHub {
  /** Of a policy with ServiceConnect: a secret. */
  connectionString: string;
  /** PEM of the CA to trust. */
  ca: string;
  /** On this machine. */
  httpsPort: number;
}

/** A message that a device sent; see cloud-sim's HubEvent. */
export type MonitoredEvent = Omit<StreamedEvent, 'body'> & { body: Buffer };

/** Which messages are read. */
export interface EventsWish {
  /** Default: what comes from now on. */
  from?: 'now' | 'earliest';
  deviceId?: string | undefined;
  /** Ends the reading. */
  signal?: AbortSignal;
  /** Hears that the stream stands. */
  onOpen?: () => void;
}

/**
 * Reads what devices send to a hub, as it comes.
 * @throws Fault NO_LOCAL_CLOUD when the hub does not answer, HUB_REFUSED
 */
export async function* readHubEvents(
  { connectionString, ca, httpsPort }: LocalHub,
  wish: EventsWish,
): AsyncGenerator<MonitoredEvent, void> {
  const { from = 'now', deviceId, signal, onOpen } = wish;
  const [host = '', keyName = '', key = ''] = ['HostName', 'SharedAccessKeyName', 'SharedAccessKey'].map((name) =>
    part(connectionString, name),
  );
  const expiry = Date.now() / 1000 + TOKEN_SECONDS;
  const authorization = buildSas({ resource: host, key: Buffer.from(key, 'base64'), expiry, keyName });
  const query = new URLSearchParams({ from, ...(deviceId === undefined ? {} : { deviceId }) });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(
      `https://localhost:${httpsPort}/zerotouch/events?${query}`,
      { ca, headers: { host, authorization }, agent: false, ...(signal === undefined ? {} : { signal }) },
      resolve,
    );
    sent.on('error', (error: NodeJS.ErrnoException) => reject(noAnswer(`it does not answer (${error.code ?? error.name})`, host)));
    sent.end();
  });
  response.setEncoding('utf8');
  try {
    if (response.statusCode !== 200) throw await refusal(response, host);
    onOpen?.();
    let text = '';
    for await (const chunk of response) {
      text += chunk as string;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = block.split('\n').find((line) => line.startsWith('data: '));
        if (data === undefined) continue;
        const { body, ...event } = JSON.parse(data.slice('data: '.length)) as StreamedEvent;
        yield { ...event, body: Buffer.from(body, 'base64') };
      }
    }
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  } finally {
    response.destroy();
  }
}

async function refusal(response: IncomingMessage, host: string): Promise<Fault> {
  let text = '';
  for await (const chunk of response) text += chunk as string;
  const { Message: message = '' } = JSON.parse(text) as { Message?: string };
  return new Fault('HUB_REFUSED', `the hub answered ${response.statusCode}: ${message}`, {
    where: host,
    remedy: 'use a policy of the hub with the right ServiceConnect, with its present key',
  });
}

function part(connectionString: string, name: string): string {
  const found = connectionString.split(';').find((pair) => pair.startsWith(`${name}=`));
  return found === undefined ? '' : found.slice(name.length + 1);
}

function noAnswer(what: string, where: string): Fault {
  return new Fault('NO_LOCAL_CLOUD', `the hub cannot be asked: ${what}`, {
    where,
    remedy: 'start zerotouch cloud in this folder, or name the file of another one with --cloud',
  });
}
