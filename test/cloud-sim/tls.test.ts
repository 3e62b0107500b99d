import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { buildDpsUserName } from '@zerotouch/azure-wire/dps-mqtt';
import { buildHubUserName } from '@zerotouch/azure-wire/hub-mqtt';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { makeServerIdentity } from '@zerotouch/cloud-sim/doors/authority';
import { presentedCertificate } from '@zerotouch/cloud-sim/doors/presented';
import t from 'tap';
import { issue, type Leaf, makeAuthority, prove, withChain } from './certificates.js';
import { cloudFor, lastAttempt } from './clouds.js';
import { register } from './official-clients.js';
import { Wire } from './wire.js';

const line = await makeAuthority('Line 7');

async function provisioned(cloud: Cloud, leaf: Leaf): Promise<string> {
  await cloud.enrolments.putCertificate(await prove('line-7', line));
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'line-7',
    attestation: { type: 'x509', x509: { caReferences: { primary: 'line-7' } } },
  });
  return (await register(cloud, 'dev-1', { leaf })).assignedHub;
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`a ${version} session of an authenticated connection, resumed without certificate, authorises nobody`, async (t) => {
    const cloud = await cloudFor(t);
    const leaf = await issue(line, 'dev-1');
    const hub = await provisioned(cloud, leaf);
    const tls = { minVersion: version, maxVersion: version };
    const userName = buildHubUserName(hub, 'dev-1');

    const first = await Wire.to(cloud, { ...tls, ...leaf });
    const sessions: Buffer[] = [];
    first.socket.on('session', (session) => sessions.push(session));
    t.equal(await first.connect({ clientId: 'dev-1', username: userName }), 0);
    const session = sessions.at(-1) ?? first.socket.getSession();
    if (session === undefined) throw new Error('no TLS session to resume');
    first.end();
    await first.closed;

    for (const [username, service] of [
      [userName, 'hub'],
      [buildDpsUserName({ idScope: cloud.dps.idScope, registrationId: 'dev-1', apiVersion: '2021-06-01' }), 'dps'],
    ] as const) {
      const resumed = await Wire.to(cloud, { ...tls, session });
      t.equal(await resumed.connect({ clientId: 'dev-1', username }), 5, service);
      t.match(await lastAttempt(cloud, 'dev-1'), {
        service,
        outcome: 'refused',
        wire: { connack: 5 },
        reason: { rule: 'credential-missing' },
      });
      await resumed.closed;
    }

    const honest = await Wire.to(cloud, { ...tls, session, ...leaf });
    t.equal(await honest.connect({ clientId: 'dev-1', username: userName }), 0, 'with its certificate the device gets in, session or not');
    honest.end();
  });
}

for (const workers of [0, 1]) {
  t.test(`nobody changes who they are within a connection: renegotiation is refused${workers > 0 ? ' by a front' : ''}`, async (t) => {
    const cloud = await cloudFor(t, { workers });
    const leaf = await issue(line, 'dev-1');
    const hub = await provisioned(cloud, leaf);
    const wire = await Wire.to(cloud, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ...leaf });
    t.equal(await wire.connect({ clientId: 'dev-1', username: buildHubUserName(hub, 'dev-1') }), 0);
    const refused = new Promise<Error | null>((resolve) => {
      wire.socket.once('error', resolve);
      wire.socket.renegotiate({ rejectUnauthorized: true }, resolve);
    });
    t.match(await refused, { code: 'ERR_SSL_NO_RENEGOTIATION' });
    wire.end();
  });
}

t.test('even where TLS resumes, the certificate of an earlier handshake counts as none', async (t) => {
  const identity = await makeServerIdentity(['localhost']);
  const leaf = await issue(line, 'dev-1');
  const server = createServer({ cert: identity.certificate, key: identity.privateKey, requestCert: true, rejectUnauthorized: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const accepted = async (options: object): Promise<{ client: TLSSocket; session: Promise<Buffer>; server: TLSSocket }> => {
    const { port } = server.address() as AddressInfo;
    const taken = once(server, 'secureConnection');
    const client = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: identity.ca, minVersion: 'TLSv1.3', ...options });
    const session = once(client, 'session').then(([data]) => data as Buffer);
    const [socket] = (await taken) as [TLSSocket];
    socket.write('hello');
    client.resume();
    t.teardown(() => {
      client.destroy();
      socket.destroy();
    });
    return { client, session, server: socket };
  };
  const first = await accepted(leaf);
  t.match(presentedCertificate(first.server)?.leaf.subject, 'CN=dev-1');
  const second = await accepted({ session: await first.session });
  t.equal(second.server.isSessionReused(), true);
  t.ok(second.server.getPeerX509Certificate(), 'TLS still shows the old certificate');
  t.equal(presentedCertificate(second.server), undefined);
});

t.test('what a client sends after its leaf is seen in order, nothing without a certificate', async (t) => {
  const root = await makeAuthority('Root');
  const middle = await makeAuthority('Middle', root);
  const leaf = withChain(await issue(middle, 'dev-1'), middle, root);
  const cloud = await cloudFor(t);
  await cloud.enrolments.putCertificate(await prove('root', root));
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'root',
    attestation: { type: 'x509', x509: { caReferences: { primary: 'root' } } },
  });
  t.equal((await register(cloud, 'dev-1', { leaf })).status, 'assigned');

  const bare = await Wire.to(cloud);
  t.equal(
    await bare.connect({
      clientId: 'x',
      username: buildDpsUserName({ idScope: cloud.dps.idScope, registrationId: 'x', apiVersion: '2021-06-01' }),
    }),
    5,
  );
  t.match(await lastAttempt(cloud, 'x'), { reason: { rule: 'credential-missing' } });
});

t.test('the listener proves every name a device may know it by', async (t) => {
  const cloud = await cloudFor(t);
  for (const servername of [cloud.dps.host, 'my-dps.azure-devices-provisioning.net', 'localhost', ...cloud.hubs.map(({ host }) => host)]) {
    const wire = await Wire.to(cloud, { servername });
    t.equal(wire.socket.authorized, true, servername);
    wire.end();
  }
  await t.rejects(Wire.to(cloud, { servername: 'elsewhere.example' }), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  await t.rejects(Wire.to(cloud, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }));
});
