import type { EnrolledCertificate } from '@zerotouch/azure-wire/enrolment';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import type { Endpoint } from '@zerotouch/firmware-sim/boot/ports';
import type { Attestation, Identity } from '@zerotouch/firmware-sim/identity/identity';
import { clientNames } from '@zerotouch/firmware-sim/transport/client-names';
import { clientPorts } from '@zerotouch/firmware-sim/transport/clients';
import { evidenceMatrix } from '@zerotouch/firmware-sim/transport/evidence-matrix';
import { systemClock } from '@zerotouch/foundation/clock';
import t from 'tap';
import { makeAuthority } from './certificates.js';
import { patient, ports } from './kit.js';
import { everyWay } from './relayed-cloud.js';

const initialTwin = { properties: { desired: { interval: 5 } } };
const key = Buffer.alloc(32, 9);

function identityOf(registrationId: string, attestation: Attestation, cloud: Cloud): Identity {
  return { idScope: cloud.dps.idScope, endpoint: cloud.dps.host, registrationId, serial: registrationId, attestation };
}

function endpointOf(cloud: Cloud): Endpoint {
  const [host, port] = ['localhost', cloud.dps.mqttPort] as const;
  const ports = { amqp: cloud.dps.amqpPort, https: cloud.dps.httpsPort };
  return { dpsHost: host, dpsPort: port, gateway: { host, port }, ports, ca: cloud.ca };
}

/** A device with an enrolment of its own. */
async function enrolled(cloud: Cloud, kind: 'x509' | 'symmetric-key', registrationId: string): Promise<Identity> {
  if (kind === 'symmetric-key') {
    const symmetricKey = { primaryKey: key.toString('base64'), secondaryKey: Buffer.alloc(32, 8).toString('base64') };
    await cloud.enrolments.putIndividual({ registrationId, initialTwin, attestation: { type: 'symmetricKey', symmetricKey } });
    return identityOf(registrationId, { kind, key }, cloud);
  }
  const { certificate, privateKey } = await (await makeAuthority('Line 7')).issue(registrationId);
  const primary: EnrolledCertificate = { certificate };
  await cloud.enrolments.putIndividual({
    registrationId,
    initialTwin,
    attestation: { type: 'x509', x509: { clientCertificates: { primary } } },
  });
  return identityOf(registrationId, { kind, certificate, privateKey }, cloud);
}

for (const [client, transport] of everyWay) {
  for (const kind of ['x509', 'symmetric-key'] as const) {
    t.test(`${client} over ${transport}, ${kind}: from registration to telemetry`, async (t) => {
      const cloud = await startCloud({ retryAfterSeconds: 0 });
      t.teardown(() => cloud.close());
      const identity = await enrolled(cloud, kind, `dev-${client}-${kind}`);
      const endpoint = endpointOf(cloud);
      const { dps, hub } = clientPorts(client, systemClock, transport);

      const assignment = await dps.register({ identity, endpoint }, () => undefined, patient());
      if (assignment.outcome !== 'assigned') throw new Error(assignment.detail);
      t.equal(assignment.deviceId, identity.registrationId);

      const connected = await hub.connect({ identity, endpoint, assignment }, patient());
      if (connected.outcome !== 'connected') throw new Error(connected.detail);
      const { session } = connected;
      const change = new Promise((resolve) => session.onDesired(resolve));
      t.match(await session.getTwin(patient()), { outcome: 'twin', twin: { desired: { interval: 5, $version: 1 } } });
      t.match(await session.report({ interval: 5 }, patient()), { outcome: 'reported' });
      t.match(await session.send({ temperature: 21 }, patient()), { outcome: 'sent' });

      const service = cloud.hub(assignment.hub);
      await service.updateDesired(assignment.deviceId, { interval: 9 });
      t.match(await change, { interval: 9, $version: 2 });
      t.match((await service.twin(assignment.deviceId)).properties.reported, { interval: 5 });

      const lost = new Promise((resolve) => session.onLost(resolve));
      t.equal(await service.disconnect(assignment.deviceId), 1);
      t.match(await lost, { outcome: 'dropped' });
      await session.close();
      const transports = new Set((await cloud.attempts(identity.registrationId)).map((attempt) => attempt.transport));
      t.ok(transports.has(transport), 'and nothing else carried it');
    });
  }
}

for (const client of clientNames) {
  t.test(`${client}: who is refused`, async (t) => {
    const cloud = await startCloud({ retryAfterSeconds: 0 });
    t.teardown(() => cloud.close());
    const endpoint = endpointOf(cloud);
    const { hub } = ports(client);
    const identity = await enrolled(cloud, 'symmetric-key', 'dev-1');
    const forger = identityOf('dev-1', { kind: 'symmetric-key', key: Buffer.alloc(32, 1) }, cloud);
    const stranger = identityOf('dev-2', { kind: 'symmetric-key', key }, cloud);

    for (const [, transport] of everyWay.filter(([by]) => by === client)) {
      const { dps } = clientPorts(client, systemClock, transport);
      const register = (identity: Identity) => dps.register({ identity, endpoint }, () => undefined, patient());
      t.match(await register(forger), { outcome: 'refused', code: 401000 }, `a wrong key, ${transport}`);
      t.match(await register(stranger), { outcome: 'refused', code: 401000 }, `no enrolment, ${transport}`);
    }
    const assignment = { hub: cloud.hubs[0]?.host ?? '', deviceId: 'dev-1' };
    const { outcome } = await hub.connect({ identity, endpoint, assignment }, patient());
    t.equal(outcome, client === 'sdk' ? 'ambiguous' : 'refused', 'a device that DPS has not registered');
    t.ok((evidenceMatrix[client].connect as readonly string[]).includes(outcome));
  });
}
