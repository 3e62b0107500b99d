import { X509Certificate } from 'node:crypto';
import { dpsResponseTopic, parseDpsUserName } from '@zerotouch/azure-wire/dps-mqtt';
import { desiredTopic, parseHubUserName, twinResponseTopic } from '@zerotouch/azure-wire/hub-mqtt';
import { parseSas, verifySas } from '@zerotouch/azure-wire/sas';
import type { DpsProgress } from '@zerotouch/firmware-sim/boot/ports';
import type { Identity } from '@zerotouch/firmware-sim/identity/identity';
import { clientNames } from '@zerotouch/firmware-sim/transport/client-names';
import { clientPorts } from '@zerotouch/firmware-sim/transport/clients';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet';
import t from 'tap';
import { makeAuthority } from './certificates.js';
import { CrookedServer, type Guest } from './crooked-server.js';
import { assignment, dpsManners, endpointOf, hubManners, keyIdentity, patient, ports, registrationId } from './kit.js';

const now = Date.UTC(2031, 0, 1);
const clock: Clock = { ...systemClock, now: () => now };
const key = Buffer.alloc(32, 7);

const connectOf = (guest: Guest | undefined): IConnectPacket =>
  guest?.received.find((packet: Packet): packet is IConnectPacket => packet.cmd === 'connect') as IConnectPacket;
const publishesOf = (guest: Guest | undefined): IPublishPacket[] =>
  guest?.received.filter((packet: Packet): packet is IPublishPacket => packet.cmd === 'publish') ?? [];

async function x509Identity(): Promise<Identity & { attestation: { kind: 'x509' } }> {
  const { certificate, privateKey } = await (await makeAuthority('Line 7')).issue(registrationId);
  return { ...keyIdentity(), attestation: { kind: 'x509', certificate, privateKey } };
}

for (const client of clientNames) {
  t.test(`${client}: a registration polls until it has its hub`, async (t) => {
    const server = await CrookedServer.start();
    t.teardown(() => server.close());
    let polls = 0;
    server.manners = dpsManners((guest, request) => {
      if (request.kind === 'register' || polls++ < 2) {
        const registrationState = request.kind === 'register' ? undefined : { registrationId, status: 'assigning' };
        guest.publish(dpsResponseTopic(202, request.rid, 0), { operationId: 'op/1', status: 'assigning', registrationState });
      } else {
        t.equal(request.operationId, 'op/1');
        const assigned = { status: 'assigned', substatus: 'initialAssignment', payload: { line: 7 } };
        const registrationState = { registrationId, assignedHub: assignment.hub, deviceId: assignment.deviceId, ...assigned };
        guest.publish(dpsResponseTopic(200, request.rid), { operationId: 'op/1', status: 'assigned', registrationState });
      }
    });
    const signs: DpsProgress[] = [];
    const request = { identity: keyIdentity(), endpoint: endpointOf(server), payload: { model: 'k2' } };
    const outcome = await clientPorts(client, clock).dps.register(request, (sign) => signs.push(sign), patient());
    t.same(outcome, { outcome: 'assigned', ...assignment, substatus: 'initialAssignment', payload: { line: 7 } });
    t.same(
      signs,
      ['connected', 'assigning', 'polling', 'assigning', 'polling', 'assigning', 'polling'],
      'each answer, and each time it is asked again',
    );
    t.equal(polls, 3);
    await server.empty();

    const [guest] = server.guests;
    const { clientId, username = '', password } = connectOf(guest);
    t.equal(clientId, registrationId);
    t.match(parseDpsUserName(username), { idScope: '0ne00000A1B', registrationId });
    const token = parseSas(String(password));
    t.ok(verifySas(token, key), 'the token is signed with the device key');
    t.match(token, { resource: `0ne00000A1B/registrations/${registrationId}`, keyName: 'registration', expiry: now / 1000 + 3600 });
    const [register] = publishesOf(guest);
    t.same(JSON.parse(String(register?.payload)), { registrationId, payload: { model: 'k2' } });
    t.equal(register?.qos, 1);
    t.equal(guest?.received.at(-1)?.cmd, 'disconnect', 'it says goodbye');
  });

  t.test(`${client}: a certificate takes the place of a token`, async (t) => {
    const server = await CrookedServer.start();
    t.teardown(() => server.close());
    const identity = await x509Identity();
    const presented: string[] = [];
    server.manners = {
      connect(guest) {
        presented.push(guest.socket.getPeerX509Certificate()?.fingerprint256 ?? '');
        guest.send({ cmd: 'connack', returnCode: 5, sessionPresent: false });
      },
    };
    const request = { identity, endpoint: endpointOf(server), assignment };
    await ports(client).dps.register(request, () => undefined, patient());
    await ports(client).hub.connect(request, patient());
    const { fingerprint256 } = new X509Certificate(identity.attestation.certificate);
    t.same(presented, [fingerprint256, fingerprint256]);
    for (const guest of server.guests) t.notOk(connectOf(guest).password, 'no password');
  });

  t.test(`${client}: a hub session`, async (t) => {
    const server = await CrookedServer.start();
    t.teardown(() => server.close());
    const twin = { desired: { interval: 5, $version: 3 }, reported: { update: 'kept', $version: 9 } };
    server.manners = hubManners((guest, request) => {
      if (request.kind === 'twin-get') guest.publish(twinResponseTopic(200, request.rid), twin);
      if (request.kind === 'twin-patch') guest.publish(twinResponseTopic(204, request.rid, 10), '');
    });
    const request = { identity: keyIdentity(), endpoint: endpointOf(server), assignment };
    const outcome = await clientPorts(client, clock).hub.connect(request, patient());
    if (outcome.outcome !== 'connected') throw new Error(outcome.detail);
    const { session } = outcome;
    const [guest] = server.guests;

    const { clientId, username = '', password } = connectOf(guest);
    t.equal(clientId, assignment.deviceId);
    t.match(parseHubUserName(username), assignment, "the hub's own name, not the gateway's");
    const token = parseSas(String(password));
    t.ok(verifySas(token, key));
    t.match(token, { resource: `${assignment.hub}/devices/${assignment.deviceId}`, keyName: undefined, expiry: now / 1000 + 3600 });

    t.same(await session.getTwin(patient()), { outcome: 'twin', twin });
    t.same(await session.report({ interval: 5, old: null }, patient()), { outcome: 'reported' });
    t.same(JSON.parse(String(publishesOf(guest).at(-1)?.payload)), { interval: 5, old: null });
    t.same(await session.send({ temperature: 21 }, patient()), { outcome: 'sent' });
    const sent = publishesOf(guest).at(-1);
    t.match(sent, { qos: 1, topic: `devices/${assignment.deviceId}/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8` });
    t.same(JSON.parse(String(sent?.payload)), { temperature: 21 });

    const change = new Promise((resolve) => session.onDesired(resolve));
    guest?.publish(desiredTopic(4), { interval: null, $version: 4 });
    t.same(await change, { interval: null, $version: 4 });
    await session.close();
    await server.empty();
  });
}
