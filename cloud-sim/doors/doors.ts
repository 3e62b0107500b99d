import type { Server } from 'node:tls';
import { GLOBAL_DPS_HOST } from '@zerotouch/azure-wire/ids';
import { resourceManager } from '../api/arm/arm.js';
import { hubServices } from '../api/hub/service.js';
import { dpsServices } from '../api/service/services.js';
import { type Edge, edgeList } from '../dps/edges.js';
import type { CloudSettings } from '../options.js';
import type { Services } from '../services.js';
import { SERVICE_KEY, type Store } from '../store/store.js';
import { AmqpConnection } from './amqp/connection.js';
import { DpsLinks } from './amqp/dps-links.js';
import { amqpReceptionist } from './amqp/dps-service.js';
import { HubLinks, isHubAddress } from './amqp/hub-links.js';
import type { ConnectionMeans } from './amqp/links.js';
import { makeServerAuthority, makeServerIdentity, type ServerAuthority, type ServerIdentity } from './authority.js';
import { type Channel, plainChannel } from './channel.js';
import { Fronts, type FrontView } from './fronts/fronts.js';
import { deviceApi } from './http/device-api.js';
import { hubDeviceApi } from './http/hub-device-api.js';
import { HTTPS_ALPN, HttpsFront } from './https.js';
import { Listener, tlsServer, tlsSettings } from './listener.js';
import { MqttConnection } from './mqtt/connection.js';
import { mqttReceptionist } from './mqtt/mqtt.js';
import { Sweep } from './sweep.js';
import { webSocketUpgrade } from './websocket.js';

/** The open doors of a cloud. */
export interface Doors {
  ports: { mqttPort: number; amqpPort: number; httpsPort: number };
  /** Where a device reaches DPS and hubs in a region, by the same ports. */
  edges: readonly Edge[];
  /** Certificate of the CA that signed the listener's certificate, PEM. */
  ca: string;
  /** The processes that do TLS; none: it is done here. */
  fronts(): readonly FrontView[];
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

/**
 * Opens every door to the services: MQTT, AMQP, and HTTPS with WebSocket.
 * @throws CloudFault PORT_IN_USE, FRONT_FAILED
 */
export async function openDoors(services: Services, settings: CloudSettings): Promise<Doors> {
  const { store, park, edges, log, clock } = services;
  const identity = await makeServerIdentity(
    [GLOBAL_DPS_HOST, '*.azure-devices-provisioning.net', '*.azure-devices.net', ...park.running.keys(), 'localhost'],
    edges.keys(),
    await keptAuthority(store),
  );
  const { mqtt, amqp, https, sweep } = makeServers(services, settings, identity);

  const listeners: Listener[] = [];
  let fronts: Fronts | undefined;
  const open = async (server: Server, port: number): Promise<number> => {
    const front = fronts?.door(server);
    const listener = await Listener.open({ server, host: settings.host, port, edges: edges.keys(), front, log });
    listeners.push(listener);
    return listener.port;
  };
  const close = async (): Promise<void> => {
    await Promise.all([...listeners.map((listener) => listener.close()), fronts?.close(), sweep.close()]);
  };
  try {
    if (settings.workers > 0) {
      const doors = [{ server: mqtt }, { server: amqp }, { server: https, alpn: HTTPS_ALPN }];
      fronts = await Fronts.start({
        workers: settings.workers,
        doors,
        identity,
        handshakeTimeout: settings.connectTimeoutSeconds * 1000,
        clock,
        log,
      });
    }
    const ports = {
      mqttPort: await open(mqtt, settings.mqttPort),
      amqpPort: await open(amqp, settings.amqpPort),
      httpsPort: await open(https, settings.httpsPort),
    };
    return { ports, edges: edgeList(edges, listeners[0]?.edges), ca: identity.ca, fronts: () => fronts?.list() ?? [], close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The servers behind the doors, not listening yet; a connection whose TLS ends elsewhere is handed in as `secureConnection`. */
export interface Servers {
  mqtt: Server;
  amqp: Server;
  https: Server;
  /** Their connections. */
  sweep: Sweep;
}

/** Makes the servers of every door. */
export function makeServers(services: Services, settings: CloudSettings, identity: ServerIdentity): Servers {
  const { log, clock } = services;
  const connectTimeout = settings.connectTimeoutSeconds * 1000;
  const tls = { ...tlsSettings(identity, connectTimeout), pauseOnConnect: settings.workers > 0 };
  const sweep = new Sweep(clock);
  const { speakMqtt, speakAmqp } = protocols(services, sweep, connectTimeout);
  const https = new HttpsFront({ tls, requestTimeout: connectTimeout, log });
  https.mount(hubDeviceApi(services));
  https.mount(hubServices(services));
  https.mount(dpsServices(services));
  https.mount(resourceManager(services));
  https.mount(deviceApi(services));
  const subprotocols = new Map([
    ['mqtt', speakMqtt],
    ['amqpwsb10', speakAmqp],
  ]);
  https.mountUpgrade(webSocketUpgrade(subprotocols, log));
  return {
    mqtt: tlsServer(tls, (socket) => speakMqtt(plainChannel(socket)), log),
    amqp: tlsServer(tls, (socket) => speakAmqp(plainChannel(socket)), log),
    https: https.server,
    sweep,
  };
}

/** What is spoken on a channel that is open. */
function protocols({ dps, park, journal, clock, entropy, log }: Services, sweep: Sweep, connectTimeout: number) {
  const receive = mqttReceptionist({ dps, hubs: park.running, journal });
  const greet = amqpReceptionist({ dps, clock, entropy });
  const behind = (address: string, means: ConnectionMeans) =>
    isHubAddress(address) ? new HubLinks(means, park.running, journal) : new DpsLinks(means, greet);
  const common = { clock, log, connectTimeout, onClosed: sweep.delete.bind(sweep) };
  return {
    speakMqtt: (channel: Channel) => sweep.add(new MqttConnection({ channel, receive, ...common })),
    speakAmqp: (channel: Channel) => sweep.add(new AmqpConnection({ channel, receive: greet, behind, ...common })),
  };
}

/** The CA of a cloud: its devices trust it again after a restart. */
async function keptAuthority({ authority }: Store): Promise<ServerAuthority> {
  const fresh = (await authority.get(SERVICE_KEY)) ?? (await makeServerAuthority());
  return authority.update(SERVICE_KEY, (current) => current ?? fresh);
}
