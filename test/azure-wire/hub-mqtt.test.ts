import {
  buildHubUserName,
  desiredTopic,
  hubFilters,
  parseHubDelivery,
  parseHubRequest,
  parseHubUserName,
  telemetryTopic,
  twinGetTopic,
  twinPatchTopic,
  twinResponseTopic,
} from '@zerotouch/azure-wire/hub-mqtt';
import fc from 'fast-check';
import t from 'tap';

const host = fc.string({ unit: fc.constantFrom(...'abc019-'), minLength: 1 }).map((name) => `${name}.azure-devices.net`);
const deviceId = fc.string({ unit: fc.constantFrom(..."abcXYZ019-.+%_#*!(),=@$'"), minLength: 1 });
const rid = fc.string({ unit: fc.constantFrom(...'abcXYZ019-'), minLength: 1 });

t.test('user names as clients write them', async (t) => {
  const base = { hub: 'h.azure-devices.net', deviceId: 'd', moduleId: undefined, apiVersion: '2021-04-12' };
  t.same(parseHubUserName('h.azure-devices.net/d/?api-version=2021-04-12&DeviceClientType=azure-iot-device%2F1.18'), base);
  t.same(parseHubUserName('h.azure-devices.net/d/?api-version=2020-09-30&model-id=dtmi:a;1'), { ...base, apiVersion: '2020-09-30' });
  t.same(parseHubUserName('h.azure-devices.net/d'), { ...base, apiVersion: undefined });
  t.same(parseHubUserName('h.azure-devices.net/d/m/?api-version=2021-04-12'), { ...base, moduleId: 'm' });
  t.same(parseHubUserName('h.azure-devices.net/d/api-version=2016-11-14'), { ...base, apiVersion: undefined }, 'the old form');
});

t.test('foreign user names are refused', async (t) => {
  for (const name of [
    '',
    'h.azure-devices.net',
    'h.azure-devices.net/',
    'nohost/d/?api-version=1',
    'h.azure-devices.net/d/m/x/?api-version=1',
  ]) {
    t.throws(() => parseHubUserName(name), { code: 'BAD_USER_NAME' }, name);
  }
});

t.test('what is written is read', async (t) => {
  fc.assert(
    fc.property(host, deviceId, fc.option(fc.string(), { nil: undefined }), (hub, id, clientType) => {
      t.match(parseHubUserName(buildHubUserName(hub, id, clientType)), {
        hub,
        deviceId: id,
        moduleId: undefined,
        apiVersion: '2021-04-12',
      });
    }),
    { numRuns: 50 },
  );
  fc.assert(
    fc.property(rid, deviceId, fc.nat(), fc.constantFrom(200, 204, 400, 429), (request, id, version, status) => {
      t.same(parseHubRequest(twinGetTopic(request)), { kind: 'twin-get', rid: request });
      t.same(parseHubRequest(twinPatchTopic(request)), { kind: 'twin-patch', rid: request });
      t.same(parseHubRequest(telemetryTopic(id)), { kind: 'telemetry', deviceId: id, properties: '' });
      t.same(parseHubDelivery(desiredTopic(version)), { kind: 'desired', version });
      t.same(parseHubDelivery(twinResponseTopic(status, request, version)), { kind: 'twin-response', status, rid: request, version });
      t.same(parseHubDelivery(twinResponseTopic(status, request)), { kind: 'twin-response', status, rid: request, version: undefined });
    }),
    { numRuns: 50 },
  );
});

t.test('the other topics of a device', async (t) => {
  t.same(parseHubRequest('devices/d/messages/events'), { kind: 'telemetry', deviceId: 'd', properties: '' });
  t.same(parseHubRequest('devices/d/messages/events/a=b&%24.ct=c'), { kind: 'telemetry', deviceId: 'd', properties: 'a=b&%24.ct=c' });
  t.same(parseHubRequest('$iothub/methods/res/-1/?$rid=7'), { kind: 'method-response', status: -1, rid: '7' });
  t.same(parseHubDelivery('$iothub/methods/POST/reboot/?$rid=7'), { kind: 'method', name: 'reboot', rid: '7' });
  t.same(parseHubDelivery('devices/d/messages/devicebound/%24.to=x'), { kind: 'cloud-to-device', properties: '%24.to=x' });
  t.equal(hubFilters.cloudToDevice('d'), 'devices/d/messages/devicebound/#');
});

t.test('foreign topics', async (t) => {
  for (const topic of [
    '',
    '$dps/registrations/PUT/iotdps-register/?$rid=1',
    'devices/d/messages/eventsx',
    '$iothub/twin/PUT/?$rid=1',
    'devices//messages/events/',
  ]) {
    t.throws(() => parseHubRequest(topic), { code: 'BAD_TOPIC' }, topic);
    t.equal(parseHubDelivery(topic), undefined, topic);
  }
});
