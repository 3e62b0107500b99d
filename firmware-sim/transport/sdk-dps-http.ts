import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent } from 'node:https';
import { createRequire } from 'node:module';
import { type Duplex, PassThrough } from 'node:stream';
import { parseJson } from '@zerotouch/azure-wire/json';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import { dial } from './dial.js';
import { sortConnectionError } from './evidence.js';
import { retryAfterOf } from './evidence-amqp.js';
import { readDpsReply } from './replies.js';
import type { DpsLineContext, OpenDpsLine } from './sdk-dps-line.js';
import { sdkPackage } from './sdk-package.js';
import { cut } from './socket.js';

type Answer = (error: Error | null, body?: string, response?: IncomingMessage) => void;

interface SdkHttpBase {
  /** The credentials may be left out. */
  buildRequest(...call: [...how: unknown[], done: Answer]): ClientRequest;
  setOptions(options: object): void;
}

/** The SDK's way to DPS by HTTPS: a request a call, over one connection while the server keeps it open. */
export function openHttpDps(): OpenDpsLine {
  const { Http } = sdkPackage('azure-iot-provisioning-device-http');
  return async (context) => {
    const agent = new DiallingAgent(context);
    const own = createRequire(createRequire(import.meta.url).resolve('azure-iot-provisioning-device-http'));
    const { Http: HttpBase } = own('azure-iot-http-base') as { Http: new () => SdkHttpBase };
    const base = new HttpBase();
    base.setOptions({ http: { agent } });
    watchAnswers(base, context);
    return {
      transport: new Http(base as unknown as ConstructorParameters<typeof Http>[0]),
      networkError: () => undefined,
      hangUp: () => agent.cut(),
      cut: () => agent.cut(),
    };
  };
}

/** Every answer is read here first; the SDK sees only what it does not get wrong, and no failure that it would repeat for ever. */
function watchAnswers(base: SdkHttpBase, { request, tell, fail, failed }: DpsLineContext): void {
  const build = base.buildRequest.bind(base);
  base.buildRequest = (...call) => {
    const done = call.at(-1) as Answer;
    return build(...call.slice(0, -1), (error, text = '', response) => {
      if (response === undefined) {
        fail(sortConnectionError(error ?? new Error('no answer')));
        return;
      }
      const body = text === '' ? undefined : parseJson(Buffer.from(text));
      const { statusCode = 0 } = response;
      const challenge = request.attestation.kind === 'tpm' && statusCode === 401 && isJsonObject(body) && 'authenticationKey' in body;
      if (!challenge) {
        const reply = readDpsReply(statusCode, body, retryAfterOf(response.headers));
        if (reply.outcome === 'poll') tell('assigning');
        else if (reply.outcome !== 'assigned') {
          fail(reply);
          return;
        }
      }
      // What is not labelled as JSON the SDK takes for nothing, and throws where nobody can catch it.
      response.headers['content-type'] = 'application/json';
      if (!failed()) done(error, text, response);
    });
  };
}

/** Dials every connection that the SDK's requests need. */
class DiallingAgent extends Agent {
  readonly #context: DpsLineContext;
  readonly #open = new Set<Duplex>();

  constructor(context: DpsLineContext) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#context = context;
  }

  override createConnection(_options: unknown, done?: (error: Error | null, socket: Duplex) => void): undefined {
    const { request, clock, signal, tell, fail } = this.#context;
    dial(request, clock, signal).then((dialled) => {
      if (dialled.outcome !== 'open') {
        fail(dialled);
        done?.(new Error(dialled.detail), new PassThrough().destroy());
        return;
      }
      tell('connected');
      this.#open.add(dialled.socket);
      dialled.socket.once('close', () => this.#open.delete(dialled.socket));
      done?.(null, dialled.socket);
    });
    return undefined;
  }

  async cut(): Promise<void> {
    await Promise.all([...this.#open].map((socket) => cut(socket)));
    this.destroy();
  }
}
