import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import { type Channel, isSecured } from './channel.js';
import type { UpgradeHandler } from './https.js';

/** Where clients ask for it, at DPS and at hubs, for MQTT and for AMQP. Source: seen from Azure's clients. */
const PATH = '/$iothub/websocket';
/** Longest message, bytes: more than the longest packet that a protocol behind it takes. */
const MAX_MESSAGE = 512 * 1024;
/** RFC 6455, section 7.4.1: data of a type that is not taken. */
const UNSUPPORTED_DATA = 1003;

/** Takes a connection whose subprotocol is agreed. */
export type TakeChannel = (channel: Channel) => void;

/**
 * Takes WebSocket requests. Source: RFC 6455; MQTT 3.1.1, section 6; AMQP over WebSocket (OASIS), section 3.
 * @param protocols who takes the connections of a subprotocol, by its name in lower case
 */
export function webSocketUpgrade(protocols: ReadonlyMap<string, TakeChannel>, log: Logger): UpgradeHandler {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (offered) => chosen(offered) ?? false,
  });
  server.on('wsClientError', (error, socket) => {
    log.debug({ err: error }, 'a WebSocket request is malformed');
    refuse(socket, 400, 'Bad Request');
  });
  const chosen = (offered: Iterable<string>) => [...offered].find((name) => protocols.has(name.toLowerCase()));

  return (request, socket, head) => {
    if (pathOf(request).toLowerCase() !== PATH) return false;
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    const take = protocols.get(chosen(offered)?.toLowerCase() ?? '');
    if (!isSecured(socket) || take === undefined) {
      refuse(socket, 400, 'Bad Request');
      return true;
    }
    server.handleUpgrade(request, socket, head, (webSocket) => {
      try {
        take({ stream: binaryStream(webSocket), tls: socket, webSocket: true });
      } catch (error) {
        log.error({ err: error }, 'a connection could not be taken');
        webSocket.terminate();
      }
    });
    return true;
  };
}

function binaryStream(webSocket: WebSocket): Duplex {
  // First of all listeners: what comes as text must not reach the stream's reader.
  webSocket.on('message', (_data, isBinary) => {
    if (isBinary) return;
    webSocket.close(UNSUPPORTED_DATA, 'only binary messages are taken');
    stream.destroy();
  });
  const stream = createWebSocketStream(webSocket);
  // Without a listener, a reset connection would end the process.
  stream.on('error', () => {});
  // A connection that was lost ends the stream; the library would leave it open for writing.
  stream.on('end', () => stream.destroy());
  return stream;
}

function pathOf({ url = '' }: IncomingMessage): string {
  const [path = ''] = url.split('?', 1);
  return path;
}

function refuse(socket: Duplex, status: number, text: string): void {
  socket.end(`HTTP/1.1 ${status} ${text}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
