import https from 'node:https';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import provisioning from 'azure-iot-provisioning-service';
import t from 'tap';
import { cloudFor, derived } from '../clouds.js';
import { register } from '../official-clients.js';

const { ProvisioningServiceClient } = provisioning;
type Client = InstanceType<typeof ProvisioningServiceClient>;
type Individual = Parameters<Client['createOrUpdateIndividualEnrollment']>[0];
type Group = Parameters<Client['createOrUpdateEnrollmentGroup']>[0];

/** The official client as its users make it. It knows no port and no CA of its own: Node's global agent gives both. */
function clientOf(cloud: Cloud): Client {
  const { httpsPort, serviceConnectionString } = cloud.dps;
  https.globalAgent = new https.Agent({ host: '127.0.0.1', port: httpsPort, servername: 'localhost', ca: cloud.ca });
  return ProvisioningServiceClient.fromConnectionString(serviceConnectionString);
}

const individual = (registrationId: string): Individual =>
  ({ registrationId, attestation: { type: 'symmetricKey', symmetricKey: {} } }) as unknown as Individual;

t.test('the official client does all that it can', async (t) => {
  const cloud = await cloudFor(t);
  const client = clientOf(cloud);
  t.teardown(() => https.globalAgent.destroy());

  const made = (await client.createOrUpdateIndividualEnrollment(individual('dev-1'))).responseBody;
  t.match(made, { registrationId: 'dev-1', etag: String });
  const read = (await client.getIndividualEnrollment('dev-1')).responseBody;
  t.strictSame(read, made);
  const changed = (await client.createOrUpdateIndividualEnrollment({ ...read, provisioningStatus: 'disabled' } as Individual)).responseBody;
  t.match(changed, { provisioningStatus: 'disabled' });
  await t.rejects(client.createOrUpdateIndividualEnrollment(read), { name: 'InvalidEtagError' });
  await t.rejects(client.createOrUpdateIndividualEnrollment(individual('dev-1')), { name: 'DeviceAlreadyExistsError' });
  await t.rejects(client.deleteIndividualEnrollment('dev-1', read.etag ?? ''), { name: 'InvalidEtagError' });
  await t.rejects(client.getIndividualEnrollment('nobody'), { message: 'Not found' });

  const group = { enrollmentGroupId: 'g', attestation: { type: 'symmetricKey', symmetricKey: {} } } as unknown as Group;
  await client.createOrUpdateEnrollmentGroup(group);
  t.match((await client.getEnrollmentGroup('g')).responseBody, { enrollmentGroupId: 'g' });
  const mechanism = (await client.getEnrollmentGroupAttestationMechanism('g')).responseBody;
  const groupKey = mechanism.symmetricKey?.primaryKey ?? '';
  await register(cloud, 'dev-2', { key: derived(groupKey, 'dev-2') });
  t.match((await client.getDeviceRegistrationState('dev-2')).responseBody, {
    registrationId: 'dev-2',
    status: 'assigned',
    deviceId: 'dev-2',
  });
  const states = await client.createEnrollmentGroupDeviceRegistrationStateQuery({ query: 'SELECT *' }, 'g').next();
  t.match(states.responseBody, [{ registrationId: 'dev-2' }]);
  await client.deleteDeviceRegistrationState('dev-2');
  await t.rejects(client.getDeviceRegistrationState('dev-2'));

  const key = (await client.getIndividualEnrollmentAttestationMechanism('dev-1')).responseBody.symmetricKey?.primaryKey ?? '';
  t.equal(Buffer.from(key, 'base64').length, 64);
  await client.createOrUpdateIndividualEnrollment({ ...changed, provisioningStatus: 'enabled' } as Individual);
  t.match(await register(cloud, 'dev-1', { key }), { status: 'assigned' }, 'a device of the enrolment that the client made');

  const bulk = { mode: 'create' as const, enrollments: [individual('dev-3'), individual('dev-1')] };
  const result = await new Promise((resolve, reject) =>
    client.runBulkEnrollmentOperation(bulk, (error, outcome) => (error ? reject(error) : resolve(outcome))),
  );
  t.match(result, { isSuccessful: false, errors: [{ registrationId: 'dev-1', errorCode: 409203 }] });
  const query = client.createIndividualEnrollmentQuery({ query: 'SELECT * FROM enrollments' }, 1);
  const found: unknown[] = [];
  // Asked with a promise, the client forgets where it was: it goes on only when asked with a callback.
  const next = (): Promise<unknown> =>
    new Promise((resolve, reject) => query.next((error, items) => (error ? reject(error) : resolve(items))));
  while (query.hasMoreResults) found.push(...((await next()) as unknown[]));
  t.match(found, [{ registrationId: 'dev-1' }, { registrationId: 'dev-3' }]);
  t.match((await client.createEnrollmentGroupQuery({ query: 'SELECT * FROM enrollmentGroups' }).next()).responseBody, [
    { enrollmentGroupId: 'g' },
  ]);

  await client.deleteIndividualEnrollment('dev-3');
  await client.deleteEnrollmentGroup('g');
  await t.rejects(client.getEnrollmentGroup('g'));
  t.equal(await cloud.enrolments.getIndividual('dev-3'), undefined);
});

t.test('policies of the cloud, and a wrong key', async (t) => {
  const cloud = await cloudFor(t, {
    policies: [{ name: 'reader', rights: ['EnrollmentRead'], primaryKey: Buffer.alloc(32, 7).toString('base64') }],
  });
  clientOf(cloud);
  t.teardown(() => https.globalAgent.destroy());
  const reader = ProvisioningServiceClient.fromConnectionString(
    `HostName=localhost:${cloud.dps.httpsPort};SharedAccessKeyName=reader;SharedAccessKey=${Buffer.alloc(32, 7).toString('base64')}`,
  );
  await t.rejects(reader.getIndividualEnrollment('dev-1'), { message: 'Not found' });
  await t.rejects(reader.createOrUpdateIndividualEnrollment(individual('dev-1')), { name: 'UnauthorizedError' });
  const stranger = ProvisioningServiceClient.fromConnectionString(cloud.dps.serviceConnectionString.replace(/Key=.{10}/, 'Key=AAAAAAAAAA'));
  await t.rejects(stranger.getIndividualEnrollment('dev-1'), { name: 'UnauthorizedError' });
  for (const policy of [{ name: '' }, { rights: ['All'] }, { primaryKey: 'short' }]) {
    await t.rejects(cloudFor(t, { policies: [{ name: 'p', rights: [], ...policy } as never] }), { code: 'BAD_OPTIONS' });
  }
});
