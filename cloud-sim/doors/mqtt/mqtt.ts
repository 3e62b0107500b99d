import { parseDpsUserName } from '@zerotouch/azure-wire/dps-mqtt';
import { parseHubUserName } from '@zerotouch/azure-wire/hub-mqtt';
import { GLOBAL_DPS_HOST } from '@zerotouch/azure-wire/ids';
import { hubLimits } from '@zerotouch/azure-wire/limits';
import { type Fault, isFault } from '@zerotouch/foundation/fault';
import type { IConnectPacket } from 'mqtt-packet';
import { dpsChoices, hubChoices } from '../../choices.js';
import type { Dps } from '../../dps/dps.js';
import type { Hub } from '../../hub/hub.js';
import type { Journal } from '../../journal.js';
import type { Reason, Rule, Transport } from '../../reasons.js';
import type { Channel } from '../channel.js';
import { unknownHub } from '../hub-refusal.js';
import { presentedCertificate } from '../presented.js';
import { DpsMqttSession } from './dps-session.js';
import { HubMqttSession } from './hub-session.js';
import type { Reception, Receptionist } from './session.js';
import { willFlaw } from './will.js';

/** The services behind the MQTT door. */
export interface MqttServices {
  dps: Pick<Dps, 'open'>;
  hubs: ReadonlyMap<string, Hub>;
  journal: Journal;
}

/** Tells DPS and the hubs apart by the user name, and says what they decide in CONNACK codes. */
export function mqttReceptionist({ dps, hubs, journal }: MqttServices): Receptionist {
  return async (connect, channel) => {
    const userName = connect.username ?? '';
    // A hub's host name has dots, an ID scope has none: a device may be called "registrations".
    return /^[^/.]*\/registrations\//.test(userName) ? atDps(userName, connect, channel) : atHub(userName, connect, channel);
  };

  async function atDps(userName: string, connect: IConnectPacket, channel: Channel): Promise<Reception> {
    const name = attempted(() => parseDpsUserName(userName));
    if ('fault' in name) return nameless('dps', GLOBAL_DPS_HOST, connect, channel, name.fault);
    const { idScope, registrationId, apiVersion } = name.value;
    const flaw = willFlaw(connect, undefined);
    if (flaw !== undefined) return unwilling('dps', GLOBAL_DPS_HOST, registrationId, channel, flaw);
    const opened = await dps.open({ idScope, registrationId, apiVersion, ...shown(connect, channel) }, (reason) => ({
      connack: dpsCode(reason.rule),
    }));
    if ('reason' in opened) return { returnCode: dpsCode(opened.reason.rule), cause: opened.reason.text };
    return { session: new DpsMqttSession(opened.session) };
  }

  async function atHub(userName: string, connect: IConnectPacket, channel: Channel): Promise<Reception> {
    const name = attempted(() => parseHubUserName(userName));
    if ('fault' in name) return nameless('hub', '', connect, channel, name.fault);
    const { deviceId, moduleId, apiVersion } = name.value;
    const host = name.value.hub.toLowerCase();
    const hub = hubs.get(host);
    if (hub === undefined) {
      const reason = unknownHub(host, [...hubs.keys()]);
      const returnCode = hubChoices.unknownHub.value;
      const wire = { connack: returnCode };
      await journal.attempt({ service: 'hub', host, transport: transportOf(channel), id: deviceId, outcome: 'refused', wire, reason });
      return { returnCode, cause: reason.text };
    }
    const flaw = willFlaw(connect, { deviceId, moduleId });
    if (flaw !== undefined) return unwilling('hub', host, deviceId, channel, flaw);
    const opened = await hub.open({ deviceId, moduleId, apiVersion, ...shown(connect, channel) }, (reason) => ({
      connack: reason === undefined ? 0 : hubCode(reason.rule),
    }));
    if ('reason' in opened) return { returnCode: hubCode(opened.reason.rule), cause: opened.reason.text };
    const { session, expiresAt } = opened;
    return {
      session: new HubMqttSession(session, { log: journal.log, clean: connect.clean !== false }),
      longestSilenceSeconds: hubLimits.keepAliveServerSeconds.value,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
  }

  async function unwilling(service: 'dps' | 'hub', host: string, id: string, channel: Channel, reason: Reason): Promise<Reception> {
    const returnCode = hubChoices.foreignWill.value;
    const transport = transportOf(channel);
    await journal.attempt({ service, host, transport, id, outcome: 'refused', wire: { connack: returnCode }, reason });
    return { returnCode, cause: reason.text };
  }

  async function nameless(
    service: 'dps' | 'hub',
    host: string,
    { clientId }: IConnectPacket,
    channel: Channel,
    fault: Fault,
  ): Promise<Reception> {
    const seen = typeof fault.seen === 'string' ? { seen: fault.seen.slice(0, 300) } : {};
    const expected = fault.expected === undefined ? {} : { expected: fault.expected };
    const nearest =
      service === 'dps'
        ? `{idScope}/registrations/${clientId.slice(0, 128)}/api-version=2021-06-01`
        : `{hub}/${clientId.slice(0, 128)}/?api-version=2021-04-12`;
    const remedy = 'send the user name in the form that the service documents';
    const reason: Reason = { rule: 'user-name', text: fault.message.slice(0, 500), ...seen, ...expected, nearest, remedy };
    const returnCode = (service === 'dps' ? dpsChoices : hubChoices).malformedUserName.value;
    const id = clientId.slice(0, 128);
    await journal.attempt({
      service,
      host,
      transport: transportOf(channel),
      id,
      outcome: 'refused',
      wire: { connack: returnCode },
      reason,
    });
    return { returnCode, cause: reason.text };
  }
}

/** The CONNACK code by which MQTT tells of a refusal by DPS. */
function dpsCode(rule: Rule): 1 | 2 | 3 | 4 | 5 {
  switch (rule) {
    case 'client-id':
      return dpsChoices.clientIdDiffers.value;
    case 'sas-form':
      return dpsChoices.malformedToken.value;
    case 'registration-id':
    case 'api-version':
      return dpsChoices.malformedUserName.value;
    case 'credential-missing':
      return dpsChoices.noCredential.value;
    default:
      return dpsChoices.unknownIdScope.value;
  }
}

/** The CONNACK code by which MQTT tells of a refusal by a hub. */
function hubCode(rule: Rule): 1 | 2 | 3 | 4 | 5 {
  switch (rule) {
    case 'client-id':
      return hubChoices.clientIdDiffers.value;
    case 'hub-stranger':
      return hubChoices.stranger.value;
    case 'device-disabled':
      return hubChoices.disabledDevice.value;
    case 'throttled-hub':
      return hubChoices.throttledConnection.value;
    default:
      return hubChoices.badCredential.value;
  }
}

function transportOf({ webSocket }: Channel): Transport {
  return webSocket ? 'mqtt-ws' : 'mqtt';
}

function shown(connect: IConnectPacket, channel: Channel) {
  return {
    transport: transportOf(channel),
    clientId: connect.clientId,
    password: connect.password?.toString('utf8'),
    certificate: presentedCertificate(channel.tls),
    localAddress: channel.tls.localAddress,
  };
}

function attempted<T>(parse: () => T): { value: T } | { fault: Fault } {
  try {
    return { value: parse() };
  } catch (error) {
    if (isFault(error)) return { fault: error };
    throw error;
  }
}
