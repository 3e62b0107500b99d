import dpsArm from '@azure/arm-deviceprovisioningservices';
import hubArm from '@azure/arm-iothub';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import t, { type Test } from 'tap';
import { managerOf, SUBSCRIPTION } from '../cloud-sim/arm/manager.js';
import { type Authority, issue, makeAuthority } from '../cloud-sim/certificates.js';
import { cloudFor, key } from '../cloud-sim/clouds.js';
import { Specification } from './swagger.js';

const folder = process.env.ZT_AZURE_SPECS;
if (folder === undefined || folder === '') throw new Error("ZT_AZURE_SPECS is not set: the folder of Azure's specification files");

const GROUP = 'zerotouch';
const text = { type: 'string' };
// az reads both from what Azure answers; no file has them.
const placed = { resourcegroup: text, subscriptionid: text };
const members = { ProvisioningServiceDescription: placed, IotHubDescription: placed };

/** What the local cloud answers otherwise than by these: it is never told so. */
const NEVER = [/^DELETE .*\/(provisioningServices|IotHubs)\/\{\w+\} (200|404)$/];

for (const file of ['arm-iotdps-2021-10-15.json', 'arm-iotdps-2022-02-05.json', 'arm-iotdps-2022-12-12.json']) {
  t.test(`every answer for a DPS is one of ${file}`, async (t) => {
    const cloud = await cloudFor(t);
    const judge = await judged(t, cloud, file);
    const client = judge.watch(
      new dpsArm.IotDpsClient(judge.credential, SUBSCRIPTION, { ...judge.options, apiVersion: judge.specification.version }),
    );
    const { iotDpsResource: api, dpsCertificate, operations } = client;
    const basic = { location: 'West Europe', sku: { name: 'S1', capacity: 1 }, properties: {} };
    const iotHubs = cloud.hubs.map(({ connectionString, region: location }) => ({ connectionString, location, allocationWeight: 3 }));
    await all(operations.list());
    await api.checkProvisioningServiceNameAvailability({ name: 'mine' });
    await api.checkProvisioningServiceNameAvailability({ name: 'zerotouch' });
    await t.rejects(api.checkProvisioningServiceNameAvailability({} as never));
    const made = await api.beginCreateOrUpdateAndWait(GROUP, 'mine', { ...basic, tags: { line: '7' }, properties: { iotHubs } });
    const authorizationPolicies = [{ keyName: 'own', rights: 'ServiceConfig', primaryKey: key('own') }];
    await api.beginCreateOrUpdateAndWait(GROUP, 'mine', { ...made, properties: { ...made.properties, authorizationPolicies } });
    await t.rejects(api.beginCreateOrUpdateAndWait(GROUP, 'mine', made), failed(412));
    await t.rejects(api.beginCreateOrUpdateAndWait(GROUP, 'mine', { ...basic, properties: { allocationPolicy: 'x' } }), failed(400));
    await api.beginUpdateAndWait(GROUP, 'mine', { tags: { line: '8' } });
    await api.get('mine', GROUP);
    for (const list of [api.listBySubscription(), api.listByResourceGroup(GROUP), api.listValidSkus('mine', GROUP)])
      await all(list as never);
    await all(api.listKeys('mine', GROUP));
    await api.listKeysForKeyName('mine', 'own', GROUP);
    await t.rejects(api.listKeysForKeyName('mine', 'nobody', GROUP), failed(404));

    const root = await makeAuthority('Line 7');
    const put = () => dpsCertificate.createOrUpdate(GROUP, 'mine', 'root', { properties: { certificate: Buffer.from(root.pem) } });
    const { etag = '' } = await put();
    await put();
    await t.rejects(dpsCertificate.createOrUpdate(GROUP, 'mine', 'root', { properties: { certificate: Buffer.from('x') } }));
    await dpsCertificate.get('root', GROUP, 'mine');
    await t.rejects(dpsCertificate.get('none', GROUP, 'mine'), failed(404));
    await t.rejects(dpsCertificate.generateVerificationCode('root', etag, GROUP, 'mine'), failed(412));
    const coded = await dpsCertificate.generateVerificationCode('root', '*', GROUP, 'mine');
    const proof = (by: Authority) => provedBy(by, coded.properties?.verificationCode);
    await t.rejects(dpsCertificate.verifyCertificate('root', '*', GROUP, 'mine', await proof(await makeAuthority('Other'))));
    await dpsCertificate.verifyCertificate('root', '*', GROUP, 'mine', await proof(root));
    await dpsCertificate.list(GROUP, 'mine');
    await t.rejects(dpsCertificate.delete(GROUP, etag, 'mine', 'root'), failed(412));
    for (let n = 0; n < 2; n++) await dpsCertificate.delete(GROUP, '*', 'mine', 'root');
    for (let n = 0; n < 2; n++) await api.beginDeleteAndWait('mine', GROUP);
    await t.rejects(api.beginDeleteAndWait('zerotouch', GROUP), failed(409));
    await judge.finish();
  });
}

for (const file of ['arm-iothub-2022-04-30-preview.json', 'arm-iothub-2023-06-30.json']) {
  t.test(`every answer for a hub is one of ${file}`, async (t) => {
    const cloud = await cloudFor(t);
    const judge = await judged(t, cloud, file);
    const client = judge.watch(
      new hubArm.IotHubClient(judge.credential, SUBSCRIPTION, { ...judge.options, apiVersion: judge.specification.version }),
    );
    const { iotHubResource: api, certificates, operations, resourceProviderCommon } = client;
    const basic = { location: 'westeurope', sku: { name: 'S1', capacity: 2 } };
    await all(operations.list());
    await resourceProviderCommon.getSubscriptionQuota();
    await api.checkNameAvailability({ name: 'mine' });
    await api.checkNameAvailability({ name: '42' });
    await t.rejects(api.checkNameAvailability({} as never));
    const cloudToDevice = { maxDeliveryCount: 5, defaultTtlAsIso8601: 'PT2H' };
    const made = await api.beginCreateOrUpdateAndWait(GROUP, 'mine', { ...basic, tags: { line: '7' }, properties: { cloudToDevice } });
    await api.beginCreateOrUpdateAndWait(GROUP, 'mine', { ...made, sku: { name: 'S2', capacity: 3 } });
    await t.rejects(api.beginCreateOrUpdateAndWait(GROUP, 'mine', made), failed(412));
    await t.rejects(api.beginCreateOrUpdateAndWait(GROUP, 'mine', { ...basic, sku: { name: 'B1' } }), failed(400));
    await api.beginUpdateAndWait(GROUP, 'mine', { tags: { line: '8' } });
    await api.get(GROUP, 'mine');
    for (const list of [api.listBySubscription(), api.listByResourceGroup(GROUP), api.listValidSkus(GROUP, 'mine')])
      await all(list as never);
    await all(api.listKeys(GROUP, 'mine'));
    await api.getKeysForKeyName(GROUP, 'mine', 'iothubowner');
    await t.rejects(api.getKeysForKeyName(GROUP, 'mine', 'nobody'), failed(404));
    await api.getStats(GROUP, 'mine');

    const root = await makeAuthority('Line 7');
    const put = () => certificates.createOrUpdate(GROUP, 'mine', 'root', { properties: { certificate: base64(root.pem) } });
    await put();
    const { etag = '' } = await put();
    await t.rejects(certificates.createOrUpdate(GROUP, 'mine', 'root', { properties: { certificate: base64('x') } }), failed(400));
    await certificates.get(GROUP, 'mine', 'root');
    await t.rejects(certificates.get(GROUP, 'mine', 'none'), failed(404));
    const coded = await certificates.generateVerificationCode(GROUP, 'mine', 'root', etag);
    await t.rejects(certificates.generateVerificationCode(GROUP, 'mine', 'root', etag), failed(412));
    const proof = (by: Authority) => provedBy(by, coded.properties?.verificationCode);
    await t.rejects(certificates.verify(GROUP, 'mine', 'root', '*', await proof(await makeAuthority('Other'))), failed(400));
    await certificates.verify(GROUP, 'mine', 'root', '*', await proof(root));
    await certificates.listByIotHub(GROUP, 'mine');
    await t.rejects(certificates.delete(GROUP, 'mine', 'root', etag), failed(412));
    for (let n = 0; n < 2; n++) await certificates.delete(GROUP, 'mine', 'root', '*');
    for (let n = 0; n < 2; n++) await api.beginDeleteAndWait(GROUP, 'mine');
    await judge.finish();
  });
}

t.test('the judge knows bases, other files and who refuses', async (t) => {
  const specification = new Specification(folder, 'arm-iotdps-2022-12-12.json', { members, error: 'ErrorResponse' });
  const path =
    '/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Devices/provisioningServices/{provisioningServiceName}';
  t.equal(
    specification.pathOf('https://x:1/subscriptions/s/resourcegroups/g/providers/microsoft.devices/ProvisioningServices/n?api-version=1'),
    path,
  );
  t.equal(specification.pathOf('/subscriptions/s/resourceGroups/g'), undefined);
  const judge = (body: unknown, status = 200) => specification.judge('GET', path, { status, body, headers: {} }).flaws;
  const good = { name: 'abc', location: 'x', sku: { name: 'S1' }, properties: {}, resourcegroup: 'g' };
  t.strictSame(judge(good), []);
  t.strictSame(judge({ ...good, systemData: { createdByType: 'User' } }), []);
  t.match(judge({ ...good, location: undefined }), [/location/]);
  t.match(judge({ ...good, name: '-' }), [/name must match pattern/]);
  t.match(judge({ ...good, unknown: 1 }), [/additional properties/]);
  t.match(judge({ ...good, systemData: { createdAt: 'yesterday' } }), [/date-time/]);
  t.strictSame(judge({ code: 404000, httpStatusCode: 'NotFound', message: 'x' }, 404), []);
  t.match(judge({ code: 'NotFound' }, 404), [/code must be integer/]);
  t.strictSame(judge({ error: { code: 'x', message: 'y' } }, 404), []);
  t.match(judge({ error: { code: 1 } }, 404), [/code must be string/]);
});

/** An error that a client makes of an answer. */
function failed(statusCode: number): { name: string; statusCode: number } {
  return { name: 'RestError', statusCode };
}

async function all(list: AsyncIterable<unknown>): Promise<void> {
  for await (const item of list) void item;
}

function base64(content: string): string {
  return Buffer.from(content).toString('base64');
}

async function provedBy(by: Authority, code = ''): Promise<{ certificate: string }> {
  return { certificate: base64((await issue(by, code)).cert) };
}

interface Pipeline {
  pipeline: { addPolicy(policy: { name: string; sendRequest: unknown }): void };
}
interface Sent {
  method: string;
  url: string;
}
interface Received {
  status: number;
  bodyAsText?: string | null;
  headers: { toJSON(): object };
}

/** A file as the judge of all that is answered to a client. */
async function judged(t: Test, cloud: Cloud, file: string) {
  const specification = new Specification(folder as string, file, { members, error: 'ErrorResponse' });
  const { token, call } = await managerOf(t, cloud);
  const seen = new Set<string>();
  const served = new Set<string>();
  const judge = (method: string, url: string, answer: { status: number; body: unknown; headers: object }): void => {
    const path = specification.pathOf(url);
    if (path === undefined) return;
    // A PATCH knows no errors in any of the files.
    const verdict = specification.judge(method, path, answer);
    seen.add(verdict.case);
    served.add(`${method} ${path}`);
    t.strictSame(verdict.flaws, [], `${verdict.case} ${answer.status}`);
  };
  return {
    specification,
    credential: { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) },
    options: { endpoint: cloud.arm.endpoint, tlsOptions: { ca: cloud.ca } },
    watch: <C extends Pipeline>(client: C): C => {
      client.pipeline.addPolicy({
        name: 'judge',
        sendRequest: async (request: Sent, next: (request: Sent) => Promise<Received>) => {
          const answer = await next(request);
          const body = answer.bodyAsText ? (JSON.parse(answer.bodyAsText) as unknown) : undefined;
          judge(request.method, request.url, { status: answer.status, body, headers: answer.headers.toJSON() });
          return answer;
        },
      });
      return client;
    },
    /** Calls what no client was used for: each is refused in due form; and looks whether every answer was seen. */
    finish: async () => {
      const others = specification.operations.filter(({ method, path }) => !served.has(`${method} ${path}`));
      t.ok(others.length > 0);
      for (const { method, path } of others) {
        const at = path
          .replace('{subscriptionId}', SUBSCRIPTION)
          .replace('{resourceGroupName}', GROUP)
          .replace(/\{\w+\}/g, 'x');
        const url = `${at}?api-version=${specification.version}`;
        const answer = await call<{ message: string }>(method, url, ['PUT', 'POST'].includes(method) ? { body: {} } : {});
        judge(method, url, answer);
        t.equal(answer.status, 501, `${method} ${path}`);
        t.match(answer.body.message, /is not served by the local cloud: /);
      }
      const refused = new Set(others.map(({ method, path }) => `${method} ${path}`));
      const unseen = specification.cases.filter((name) => !seen.has(name) && !NEVER.some((never) => never.test(name)));
      t.strictSame(
        unseen.filter((name) => !refused.has(name.replace(/ \w+$/, '')) && !name.endsWith(' default')),
        [],
        'every answer that the specification names was seen',
      );
    },
  };
}
