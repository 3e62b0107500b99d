import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { CertificateService } from '../dps/authorities.js';
import { CloudFault } from '../faults.js';
import type { EventsRequest } from '../hub/event-stream.js';
import type { Hub } from '../hub/hub.js';
import { HUB_ID } from '../hub/identity.js';
import { messageProblems } from '../hub/messages.js';
import type { MethodInvocation } from '../hub/methods.js';
import { QueryFault } from '../hub/query/fault.js';
import { runQuery } from '../hub/query/run.js';
import { generatedAuthentication } from '../hub/registry.js';
import type { HubEvent } from '../hub/telemetry.js';
import type { Paged, PageWish } from '../store/paged.js';
import type { DeviceAuthentication, DeviceRecord, TwinRecord } from '../store/store.js';

/** A device in a hub's registry. */
export interface HubDevice {
  deviceId: string;
  generationId: string;
  etag: string;
  authentication: 'sas' | 'selfSigned' | 'certificateAuthority';
  connectionState: 'Connected' | 'Disconnected';
  capabilities: { iotEdge: boolean };
}

/** A twin as a service reads it. */
export interface HubTwin {
  deviceId: string;
  etag: string;
  /** Rises with tags and desired properties. */
  version: number;
  tags: JsonObject;
  properties: { desired: JsonObject & { $version: number }; reported: JsonObject & { $version: number } };
}

/** A device or module, and how it proves itself: with its keys, a secret. */
export interface HubIdentity {
  deviceId: string;
  moduleId?: string;
  authentication: DeviceAuthentication;
}

/** A message to a device. */
export interface HubMessage {
  /** Text is sent as UTF-8. */
  body: string | Uint8Array;
  messageId?: string;
  correlationId?: string;
  contentType?: string;
  contentEncoding?: string;
  /** Application properties. */
  properties?: Record<string, string>;
  /** What the sender wants to hear of it: it comes as feedback. Default: nothing. */
  ack?: 'none' | 'positive' | 'negative' | 'full';
  /** Milliseconds since 1970; default: an hour from now. */
  expires?: number;
}

/** What an operator does at one hub. */
export interface HubService {
  readonly host: string;
  /** CA certificates of devices that sign in by one, and their proof of possession. */
  readonly certificates: CertificateService;
  /** What devices send, as it comes; the stream stands when this returns. Ends with the cloud, or when it is left. */
  events(request?: EventsRequest): AsyncIterableIterator<HubEvent>;
  /**
   * Calls a direct method of a connected device (or of a module of it) and waits for the answer.
   * @throws CloudFault UNKNOWN_DEVICE, NOT_CONNECTED, NO_ANSWER
   */
  invokeMethod(deviceId: string, method: MethodInvocation & { moduleId?: string }): Promise<{ status: number; payload: unknown }>;
  /**
   * Puts a message into the queue of a device; it gets it now, or once it connects.
   * @throws CloudFault UNKNOWN_DEVICE, MESSAGE_REFUSED (the queue is full, the message too large, the expiry past or too far, a property no ASCII)
   */
  sendMessage(deviceId: string, message: HubMessage): Promise<void>;
  /** Empties the queue of a device. @returns how many messages there were @throws CloudFault UNKNOWN_DEVICE */
  purgeMessages(deviceId: string): Promise<number>;
  /**
   * Runs a query of Azure's query language over the twins.
   * @throws CloudFault BAD_QUERY
   */
  query(text: string): Promise<unknown[]>;
  /**
   * Makes a device by hand, without DPS.
   * @param authentication default: symmetric keys, generated
   * @throws CloudFault DEVICE_EXISTS, BAD_OPTIONS
   */
  createDevice(device: { deviceId: string; authentication?: DeviceAuthentication; iotEdge?: boolean }): Promise<HubIdentity>;
  /** Makes a module of a device, or gives it other keys. @throws CloudFault UNKNOWN_DEVICE, BAD_OPTIONS */
  createModule(module: { deviceId: string; moduleId: string; authentication?: DeviceAuthentication }): Promise<HubIdentity>;
  devices(): Promise<HubDevice[]>;
  /** The same, a page at a time. */
  devicesPage(wish: PageWish): Promise<Paged<HubDevice>>;
  /** Devices in the registry, and those of them that are connected. */
  counts(): Promise<{ devices: number; connected: number }>;
  device(deviceId: string): Promise<HubDevice | undefined>;
  /** @throws CloudFault UNKNOWN_DEVICE */
  twin(deviceId: string): Promise<HubTwin>;
  /**
   * Lays a patch over the desired properties (null removes) and pushes it to the device if it is connected and listens.
   * @returns the new `$version`
   * @throws CloudFault UNKNOWN_DEVICE, TWIN_LIMIT
   */
  updateDesired(deviceId: string, patch: JsonObject): Promise<number>;
  /**
   * The same for tags and desired properties, as one change.
   * @param change `etag`: only if the twin is still that one
   * @throws CloudFault UNKNOWN_DEVICE, TWIN_LIMIT, ETAG_MISMATCH
   */
  updateTwin(deviceId: string, change: { tags?: JsonObject; desired?: JsonObject; etag?: string }): Promise<HubTwin>;
  /** Lets a device in, or keeps it out: then its connections end. @throws CloudFault UNKNOWN_DEVICE */
  setStatus(deviceId: string, status: 'enabled' | 'disabled', reason?: string): Promise<void>;
  /** Takes a device out of the registry with its twin; its connections end. @returns whether there was one */
  remove(deviceId: string): Promise<boolean>;
  /** Drops the device's connections, as a network would. @returns how many there were */
  disconnect(deviceId: string): Promise<number>;
}

const QUERY_PAGE = 1000;

/** What operators do at a hub. */
export function hubService(hub: Hub): HubService {
  const shown = ({ deviceId, generationId, etag, authentication, capabilities }: DeviceRecord): HubDevice => ({
    deviceId,
    generationId,
    etag,
    authentication: authentication.type,
    connectionState: hub.lines.has({ deviceId }) ? 'Connected' : 'Disconnected',
    capabilities: { ...capabilities },
  });
  const updateTwin: HubService['updateTwin'] = async (deviceId, write) => {
    // A copy: what is kept must not change when the caller's object does.
    const change = await hub.writeTwin({ deviceId }, structuredClone(write));
    if ('missing' in change) throw unknownDevice(hub.host, deviceId);
    const where = `twin of ${JSON.stringify(deviceId)}`;
    if ('problem' in change) throw new CloudFault('TWIN_LIMIT', change.problem, { where, remedy: 'nothing was changed' });
    if ('stale' in change) {
      throw new CloudFault('ETAG_MISMATCH', 'the twin has changed since it was read', { where, remedy: 'read it again, then change it' });
    }
    return shownTwin(change.twin);
  };
  return {
    host: hub.host,
    certificates: hub.authorities,
    events: (request) => hub.events.read(request),
    async invokeMethod(deviceId, { moduleId, ...method }) {
      if ((await hub.registry.get(deviceId)) === undefined) throw unknownDevice(hub.host, deviceId);
      const outcome = await hub.methods.invoke({ deviceId, moduleId }, method);
      if ('status' in outcome) return outcome;
      const where = `method ${JSON.stringify(method.name)} of ${JSON.stringify(deviceId)}`;
      throw outcome.problem === 'not-online'
        ? new CloudFault('NOT_CONNECTED', 'the device is not connected, or does not listen for methods', {
            where,
            remedy: 'call again when it is, or with connectTimeoutMs',
          })
        : new CloudFault('NO_ANSWER', 'the device did not answer in time', {
            where,
            remedy: "look at the device's handler, or give it more responseTimeoutMs",
          });
    },
    async sendMessage(deviceId, { body, properties = {}, ack, expires, ...system }) {
      const problem = await hub.send(deviceId, {
        body: typeof body === 'string' ? Buffer.from(body) : body,
        system: systemOf(deviceId, system),
        properties: { ...properties },
        ...(ack === undefined ? {} : { ack }),
        expires,
      });
      if (problem === 'no-device') throw unknownDevice(hub.host, deviceId);
      if (problem !== undefined)
        throw new CloudFault('MESSAGE_REFUSED', messageProblems[problem], { where: `message to ${JSON.stringify(deviceId)}` });
    },
    async purgeMessages(deviceId) {
      if ((await hub.registry.get(deviceId)) === undefined) throw unknownDevice(hub.host, deviceId);
      return hub.messages.purge(deviceId);
    },
    async query(text) {
      const found: unknown[] = [];
      let continuation: string | undefined;
      try {
        do {
          const page = await runQuery(text, { size: QUERY_PAGE, continuation }, hub.queryGround);
          found.push(...page.items);
          continuation = page.continuation;
        } while (continuation !== undefined);
      } catch (error) {
        if (error instanceof QueryFault) throw new CloudFault('BAD_QUERY', error.message, { where: 'query', seen: text.slice(0, 300) });
        throw error;
      }
      return structuredClone(found);
    },
    async createDevice({ deviceId, authentication = generatedAuthentication(hub.entropy), iotEdge = false }) {
      checkId(deviceId);
      if ((await hub.registry.get(deviceId)) !== undefined) {
        throw new CloudFault('DEVICE_EXISTS', `hub ${hub.host} has a device ${JSON.stringify(deviceId)}`, { remedy: 'remove it first' });
      }
      await hub.admit({ deviceId, authentication: { ...authentication }, capabilities: { iotEdge } }, {});
      return { deviceId, authentication };
    },
    async createModule({ deviceId, moduleId, authentication = generatedAuthentication(hub.entropy) }) {
      checkId(moduleId);
      if ((await hub.registry.get(deviceId)) === undefined) throw unknownDevice(hub.host, deviceId);
      await hub.putModule({ deviceId, moduleId, authentication: { ...authentication } });
      return { deviceId, moduleId, authentication };
    },
    devices: async () => (await hub.registry.list()).map(shown),
    async devicesPage(wish) {
      const { items, next } = await hub.registry.page(wish);
      return { items: items.map(shown), next };
    },
    counts: async () => ({ devices: await hub.registry.count(), connected: hub.lines.size }),
    async device(deviceId) {
      const device = await hub.registry.get(deviceId);
      return device === undefined ? undefined : shown(device);
    },
    async twin(deviceId) {
      const twin = await hub.twins.get({ deviceId });
      if (twin === undefined) throw unknownDevice(hub.host, deviceId);
      return shownTwin(twin);
    },
    async updateDesired(deviceId, patch) {
      return (await updateTwin(deviceId, { desired: patch })).properties.desired.$version;
    },
    updateTwin,
    async setStatus(deviceId, status, reason) {
      const changed = await hub.changeDevice(deviceId, ({ status: _, statusReason: __, ...device }) => ({
        ...device,
        ...(status === 'disabled' ? { status } : {}),
        ...(reason === undefined ? {} : { statusReason: reason }),
      }));
      if (changed === undefined) throw unknownDevice(hub.host, deviceId);
    },
    remove: async (deviceId) => (await hub.release(deviceId)) !== undefined,
    disconnect: async (deviceId) => hub.lines.drop({ deviceId }, 'an operator dropped the connection'),
  };
}

function checkId(id: string): void {
  if (HUB_ID.test(id)) return;
  throw new CloudFault('BAD_OPTIONS', 'the id of a device or module is not allowed', {
    seen: id.slice(0, 200),
    expected: "1 to 128 ASCII letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '",
  });
}

function systemOf(
  deviceId: string,
  { messageId, correlationId, contentType, contentEncoding }: Omit<HubMessage, 'body' | 'properties' | 'ack' | 'expires'>,
): Record<string, string> {
  return {
    to: `/devices/${deviceId}/messages/devicebound`,
    ...(messageId === undefined ? {} : { message_id: messageId }),
    ...(correlationId === undefined ? {} : { correlation_id: correlationId }),
    ...(contentType === undefined ? {} : { content_type: contentType }),
    ...(contentEncoding === undefined ? {} : { content_encoding: contentEncoding }),
  };
}

function shownTwin(twin: TwinRecord): HubTwin {
  const { deviceId, etag, version, tags, desired, desiredVersion, reported, reportedVersion } = structuredClone(twin);
  return {
    deviceId,
    etag,
    version,
    tags,
    properties: { desired: { ...desired, $version: desiredVersion }, reported: { ...reported, $version: reportedVersion } },
  };
}

function unknownDevice(host: string, deviceId: string): CloudFault {
  return new CloudFault('UNKNOWN_DEVICE', `hub ${host} has no device ${JSON.stringify(deviceId)}`, {
    remedy: 'device ids are case-sensitive',
  });
}
