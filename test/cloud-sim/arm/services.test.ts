import https from 'node:https';
import { UNSERVED } from '@zerotouch/cloud-sim/api/arm/unserved';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { readHubConnectionString } from '@zerotouch/cloud-sim/dps/links';
import provisioning from 'azure-iot-provisioning-service';
import t, { type Test } from 'tap';
import { issue, makeAuthority } from '../certificates.js';
import { cloudFor, derived, key } from '../clouds.js';
import { register, signIn } from '../official-clients.js';
import { managementClients, managerOf, OTHER_SUBSCRIPTION, SUBSCRIPTION } from './manager.js';

const GROUP = 'zerotouch';
const basic = { location: 'West Europe', sku: { name: 'S1', capacity: 1 }, properties: {} };

t.test('the management package makes, finds, changes and removes DPS', async (t) => {
  const cloud = await cloudFor(t);
  const { dps } = await managementClients(t, cloud);
  t.match(await dps.iotDpsResource.checkProvisioningServiceNameAvailability({ name: 'mine' }), { nameAvailable: true });
  for (const [name, reason] of [
    ['zerotouch', 'AlreadyExists'],
    ['global', 'AlreadyExists'],
    ['-', 'Invalid'],
  ] as const) {
    t.match(await dps.iotDpsResource.checkProvisioningServiceNameAvailability({ name }), { nameAvailable: false, reason });
  }
  const made = await dps.iotDpsResource.beginCreateOrUpdateAndWait(GROUP, 'Mine', { ...basic, tags: { line: '7' } });
  t.match(made, {
    id: `/subscriptions/${SUBSCRIPTION}/resourceGroups/zerotouch/providers/Microsoft.Devices/provisioningServices/mine`,
    location: 'westeurope',
    tags: { line: '7' },
    properties: {
      state: 'Active',
      idScope: /^0ne[0-9A-F]{8}$/,
      iotHubs: [],
      allocationPolicy: 'Hashed',
      serviceOperationsHostName: 'mine.azure-devices-provisioning.net',
      deviceProvisioningHostName: 'global.azure-devices-provisioning.net',
    },
  });
  t.not(made.properties.idScope, cloud.dps.idScope);
  const names = async (pages: AsyncIterable<{ name?: string }>) => {
    const found = [];
    for await (const { name } of pages) found.push(name);
    return found;
  };
  t.strictSame(await names(dps.iotDpsResource.listBySubscription()), ['mine', 'zerotouch']);
  t.strictSame(await names(dps.iotDpsResource.listByResourceGroup('ZeroTouch')), ['mine', 'zerotouch']);
  t.strictSame(await names(dps.iotDpsResource.listValidSkus('mine', GROUP)), ['S1']);
  t.match(await dps.iotDpsResource.beginUpdateAndWait(GROUP, 'mine', { tags: { line: '8' } }), { tags: { line: '8' } });

  const current = await dps.iotDpsResource.get('mine', GROUP);
  await dps.iotDpsResource.beginCreateOrUpdateAndWait(GROUP, 'mine', {
    ...current,
    properties: { ...current.properties, allocationPolicy: 'GeoLatency' },
  });
  await t.rejects(dps.iotDpsResource.beginCreateOrUpdateAndWait(GROUP, 'mine', current), { statusCode: 412, code: 'PreconditionFailed' });
  t.match(await dps.iotDpsResource.get('mine', GROUP), { properties: { allocationPolicy: 'GeoLatency' } });
  await t.rejects(dps.iotDpsResource.beginCreateOrUpdateAndWait(GROUP, 'mine', { ...basic, location: 'eastus' }), {
    statusCode: 409,
    code: 'InvalidResourceLocation',
  });

  const owner = await dps.iotDpsResource.listKeysForKeyName('mine', 'provisioningserviceowner', GROUP);
  t.match(owner, { rights: /ServiceConfig, EnrollmentRead, EnrollmentWrite/, primaryKey: /=$/ });
  await t.rejects(dps.iotDpsResource.listKeysForKeyName('mine', 'nobody', GROUP), {
    statusCode: 404,
    message: /there are provisioningserviceowner/,
  });
  const { etag: _, ...latest } = await dps.iotDpsResource.get('mine', GROUP);
  const withPolicies = (authorizationPolicies: { keyName: string; rights: string; primaryKey?: string }[]) =>
    dps.iotDpsResource.beginCreateOrUpdateAndWait(GROUP, 'mine', {
      ...latest,
      properties: { ...latest.properties, authorizationPolicies },
    });
  await withPolicies([{ ...owner }, { keyName: 'reader', rights: 'EnrollmentRead,RegistrationStatusRead' }]);
  const keys = [];
  for await (const policy of dps.iotDpsResource.listKeys('mine', GROUP)) keys.push(policy);
  t.match(keys, [
    { keyName: 'provisioningserviceowner', primaryKey: owner.primaryKey },
    { keyName: 'reader', rights: 'EnrollmentRead, RegistrationStatusRead' },
  ]);
  await withPolicies([{ ...owner }, { keyName: 'reader', rights: 'EnrollmentRead', primaryKey: key('new') }]);
  t.match(await dps.iotDpsResource.listKeysForKeyName('mine', 'reader', GROUP), {
    primaryKey: key('new'),
    secondaryKey: keys[1]?.secondaryKey,
    rights: 'EnrollmentRead',
  });
  await t.rejects(withPolicies([{ keyName: 'x', rights: 'Everything' }]), { statusCode: 400, message: /no right "everything"/ });
  await t.rejects(withPolicies([{ keyName: 'x', rights: 'ServiceConfig', primaryKey: '*' }]), { statusCode: 400, code: 'BadRequest' });

  await dps.iotDpsResource.beginDeleteAndWait('mine', GROUP);
  await t.rejects(dps.iotDpsResource.get('mine', GROUP), { statusCode: 404, code: 'ResourceNotFound' });
  await dps.iotDpsResource.beginDeleteAndWait('mine', GROUP);
  await t.rejects(dps.iotDpsResource.beginDeleteAndWait('zerotouch', GROUP), { statusCode: 409, message: /always has/ });
});

t.test('hubs of two subscriptions serve one DPS, and keys that come back masked stay as they are', async (t) => {
  const cloud = await cloudFor(t);
  const { dps } = await managementClients(t, cloud);
  const other = await managementClients(t, cloud, OTHER_SUBSCRIPTION);
  const [weu, , sea] = cloud.hubs as [(typeof cloud.hubs)[0], (typeof cloud.hubs)[0], (typeof cloud.hubs)[0]];
  t.equal(sea.subscription, OTHER_SUBSCRIPTION);
  const seaOwner = await other.hubs.iotHubResource.getKeysForKeyName(GROUP, 'hub-sea', 'iothubowner');
  const link = (connectionString: string, more = {}) => ({ connectionString, location: 'westeurope', ...more });
  const seaString = `HostName=${sea.host};SharedAccessKeyName=iothubowner;SharedAccessKey=${seaOwner.primaryKey}`;
  const made = await dps.iotDpsResource.beginCreateOrUpdateAndWait(GROUP, 'mine', {
    ...basic,
    properties: { iotHubs: [link(weu.connectionString, { allocationWeight: 0 }), link(seaString, { allocationWeight: 7 })] },
  });
  t.match(made.properties.iotHubs, [
    {
      name: sea.host,
      allocationWeight: 7,
      applyAllocationPolicy: true,
      location: 'southeastasia',
      connectionString: /SharedAccessKey=\*\*\*\*$/,
    },
    { name: weu.host, allocationWeight: 0 },
  ]);

  // As az does: what GET gave, one weight changed, without names.
  const iotHubs = (made.properties.iotHubs ?? []).map(({ name: _, ...hub }) =>
    hub.location === 'westeurope' ? { ...hub, allocationWeight: 1 } : { ...hub, applyAllocationPolicy: false },
  );
  await dps.iotDpsResource.beginCreateOrUpdateAndWait(GROUP, 'mine', { ...made, properties: { ...made.properties, iotHubs } });
  const groupKey = key('line');
  await enrol(t, cloud, 'mine', groupKey);
  const { idScope = '' } = made.properties;
  const proof = { key: derived(groupKey, 'dev-1') };
  t.match(await register(cloud, 'dev-1', proof, idScope), { assignedHub: weu.host }, 'the kept key lets DPS in');
  await (await signIn(cloud, weu.host, 'dev-1', proof)).close();
  await t.rejects(register(cloud, 'dev-1', proof), 'the first DPS knows nothing of the enrolments of another one');
  t.strictSame(await cloud.enrolments.groups(), []);
  t.strictSame(await cloud.registrations(), []);

  const put = (hubs: object[]) =>
    dps.iotDpsResource.beginCreateOrUpdateAndWait(GROUP, 'mine', { ...basic, properties: { iotHubs: hubs as never } });
  const before = await dps.iotDpsResource.get('mine', GROUP);
  for (const [hubs, message] of [
    [[link('rubbish')], /no connection string/],
    [[link(seaString), link(seaString)], /twice/],
    [[link(seaString, { allocationWeight: 1001 })], /allocationWeight/],
    [[link(`HostName=${cloud.hubs[1]?.host};SharedAccessKeyName=iothubowner;SharedAccessKey=****`)], /is masked/],
    [[link(`HostName=${sea.host};SharedAccessKeyName=service;SharedAccessKey=****`)], /is masked/],
    [[link(`HostName=nowhere.azure-devices.net;SharedAccessKeyName=iothubowner;SharedAccessKey=${key('k')}`)], /no hub of this name/],
    [[link(`HostName=${sea.host};SharedAccessKeyName=iothubowner;SharedAccessKey=${key('k')}`)], /not the one that the hub has now/],
  ] as const) {
    await t.rejects(put([...hubs]), { statusCode: 400, message });
  }
  t.strictSame(await dps.iotDpsResource.get('mine', GROUP), before, 'what was refused changed nothing');

  const registryRead = await other.hubs.iotHubResource.getKeysForKeyName(GROUP, 'hub-sea', 'registryRead');
  await t.rejects(
    put([link(seaString.replace('iothubowner', 'registryRead').replace(seaOwner.primaryKey ?? '', registryRead.primaryKey ?? ''))]),
    {
      message: /policy "registryRead" lacks RegistryWrite, ServiceConnect.*iothubowner/,
    },
  );
  t.equal((await put([link(seaString)])).properties.iotHubs?.length, 1, 'iothubowner has all rights; a hub that is left out is unlinked');
  await t.rejects(dps.iotDpsResource.beginCreateOrUpdateAndWait(GROUP, 'half', { ...basic, properties: { iotHubs: [link('rubbish')] } }), {
    statusCode: 400,
    code: 'BadRequest',
  });
  t.match(
    await dps.iotDpsResource.checkProvisioningServiceNameAvailability({ name: 'half' }),
    { nameAvailable: true },
    'nothing half made',
  );
  t.equal(readHubConnectionString(seaString).key, seaOwner.primaryKey);
});

t.test('CA certificates and their proof of possession', async (t) => {
  const cloud = await cloudFor(t);
  const { dps } = await managementClients(t, cloud);
  const root = await makeAuthority('Line 7');
  const pem = Buffer.from(root.pem);
  const uploaded = await dps.dpsCertificate.createOrUpdate(GROUP, 'zerotouch', 'root', { properties: { certificate: pem } });
  t.match(uploaded, { name: 'root', properties: { subject: 'CN=Line 7', isVerified: false, expiry: Date } });
  const coded = await dps.dpsCertificate.generateVerificationCode('root', uploaded.etag ?? '', GROUP, 'zerotouch');
  const code = coded.properties?.verificationCode ?? '';
  const verify = async (by: typeof root, etag = coded.etag ?? '') =>
    dps.dpsCertificate.verifyCertificate('root', etag, GROUP, 'zerotouch', {
      certificate: Buffer.from((await issue(by, code)).cert).toString('base64'),
    });
  await t.rejects(verify(await makeAuthority('Line 7')), { statusCode: 400, message: /not signed by the CA/ });
  await t.rejects(verify(root, uploaded.etag), { statusCode: 412, code: 'PreconditionFailed' });
  t.match(await verify(root), { properties: { isVerified: true } });
  t.match(await cloud.certificates.list(), [{ name: 'root', isVerified: true }]);
  t.match(await dps.dpsCertificate.list(GROUP, 'zerotouch'), { value: [{ name: 'root' }] });
  const { etag = '' } = await dps.dpsCertificate.get('root', GROUP, 'zerotouch');
  await dps.dpsCertificate.delete(GROUP, etag, 'zerotouch', 'root');
  await t.rejects(dps.dpsCertificate.get('root', GROUP, 'zerotouch'), { statusCode: 404, message: /no CA certificate "root"/ });
  await t.rejects(dps.dpsCertificate.createOrUpdate(GROUP, 'zerotouch', 'root', { properties: { certificate: Buffer.from('x') } }), {
    statusCode: 400,
    code: 'InvalidCertificate',
  });
  const { call } = await managerOf(t, cloud);
  const base = `/subscriptions/${SUBSCRIPTION}/resourcegroups/zerotouch/providers/microsoft.devices/provisioningservices/zerotouch/certificates/x`;
  t.match(await call('POST', `${base}/verify`, { body: { certificate: 'x' } }), { status: 400, body: { message: /If-Match is required/ } });
});

t.test('what is not served is named', async (t) => {
  const cloud = await cloudFor(t);
  const { call } = await managerOf(t, cloud);
  const { body: operations } = await call<{ value: { name: string }[] }>('GET', '/providers/Microsoft.Devices/operations');
  const names = operations.value.map(({ name }) => name);
  t.ok(['IotHubs/Write', 'IotHubs/certificates/verify/Action'].every((name) => names.includes(`Microsoft.Devices/${name}`)));
  t.notOk(names.some((name) => name.includes('privateLinkResources')));
  const base = `/subscriptions/${SUBSCRIPTION}/resourceGroups/zerotouch/providers`;
  const devices = `${base}/Microsoft.Devices`;
  for (const [path, message] of [
    [`${base}/Microsoft.Storage/storageAccounts/x`, /'Microsoft.Storage' is invalid/],
    [`${devices}/accounts`, /'accounts' could not be found/],
    [`${devices}/provisioningServices/zerotouch/nothing`, /nothing is not served/],
  ] as const) {
    t.match(await call('GET', path), { status: 404, body: { error: { message } } });
  }
  for (const { what, type, paths, instead } of UNSERVED) {
    for (const { path, methods } of paths) {
      for (const method of methods) {
        const answer = await call(method, `${devices}/${type}/x/${path.replace(/:\w+/g, 'y')}`);
        t.match(answer, { status: 501, body: { code: 'NotSupportedByLocalCloud', httpStatusCode: 'NotImplemented' } });
        t.ok(String(answer.body.message).includes(`(${what}) is not served by the local cloud: ${instead}`), `${method} ${path}`);
      }
    }
  }
  t.match(await call('GET', '/subscriptions/8b7e2d94-15c6-4b7a-8f21-6c9a4e3d2bff'), {
    status: 404,
    body: { error: { code: 'SubscriptionNotFound' } },
  });
  t.match(await call('GET', `${base.replace('zerotouch', 'nowhere')}/Microsoft.Devices/IotHubs`), {
    status: 404,
    body: { error: { code: 'ResourceGroupNotFound' } },
  });
  t.match(await call('GET', `${devices}/IotHubs?x=1`), { status: 400, body: { error: { code: 'MissingApiVersionParameter' } } });
  for (const [member, value] of [
    ['publicNetworkAccess', 'Disabled'],
    ['ipFilterRules', [{}]],
    ['privateEndpointConnections', [{}]],
  ] as const) {
    const body = { ...basic, properties: { [member]: value } };
    t.match(await call('PUT', `${devices}/provisioningServices/mine`, { body }), { status: 400, body: { message: new RegExp(member) } });
  }
});

/** Makes a group by the official client of the service API: it asks the DPS by its own host name. */
async function enrol(t: Test, cloud: Cloud, name: string, primaryKey: string): Promise<void> {
  const host = `${name}.azure-devices-provisioning.net`;
  const { dps } = await managementClients(t, cloud);
  const owner = await dps.iotDpsResource.listKeysForKeyName(name, 'provisioningserviceowner', GROUP);
  https.globalAgent = new https.Agent({ host: '127.0.0.1', port: cloud.dps.httpsPort, servername: host, ca: cloud.ca });
  t.teardown(() => https.globalAgent.destroy());
  const client = provisioning.ProvisioningServiceClient.fromConnectionString(
    `HostName=${host};SharedAccessKeyName=${owner.keyName};SharedAccessKey=${owner.primaryKey}`,
  );
  const attestation = { type: 'symmetricKey', symmetricKey: { primaryKey, secondaryKey: key('second') } };
  await client.createOrUpdateEnrollmentGroup({ enrollmentGroupId: 'line', attestation } as never);
}
