import { once } from 'node:events';
import { buildHubUserName } from '@zerotouch/azure-wire/hub-mqtt';
import { buildSas } from '@zerotouch/azure-wire/sas';
import common, { type Message } from 'azure-iot-common';
import mqtt, { type IConnackPacket, type IPublishPacket, type MqttClient } from 'mqtt';
import t from 'tap';
import { cloudFor } from '../clouds.js';
import { feedbackReceiver, serviceClientOf } from './service-clients.js';

const host = 'hub-weu.azure-devices.net';
const inbox = 'devices/dev-1/messages/devicebound/';

function nextMessage(client: MqttClient): Promise<[topic: string, body: Buffer, packet: IPublishPacket]> {
  return new Promise((resolve) => client.once('message', (...heard) => resolve(heard)));
}

t.test('with CleanSession 0 the subscription to messages stays for the next connection, and for no other', async (t) => {
  const cloud = await cloudFor(t);
  const { authentication } = await cloud.hub(host).createDevice({ deviceId: 'dev-1' });
  const key = 'primaryKey' in authentication ? authentication.primaryKey : '';
  const expiry = Date.now() / 1000 + 3600;
  const password = buildSas({ resource: `${host}/devices/dev-1`, key: Buffer.from(key, 'base64'), expiry });
  const signIn = async (clean: boolean): Promise<{ client: MqttClient; present: boolean; heard: Promise<string> }> => {
    const options = { ca: cloud.ca, clientId: 'dev-1', username: buildHubUserName(host, 'dev-1'), password, clean, resubscribe: false };
    const client = mqtt.connect(`mqtts://localhost:${cloud.dps.mqttPort}`, { ...options, protocolVersion: 4, reconnectPeriod: 0 });
    t.teardown(() => client.endAsync(true));
    const heard = nextMessage(client).then(([, body]) => String(body));
    const { sessionPresent } = await new Promise<IConnackPacket>((resolve) => client.once('connect', resolve));
    return { client, present: sessionPresent, heard };
  };
  const leave = async ({ client }: { client: MqttClient }): Promise<void> => {
    const gone = once(cloud.events, 'disconnected');
    await client.endAsync();
    await gone;
  };
  const service = serviceClientOf(cloud, host, 'service');
  await service.open();
  t.teardown(() => service.close());
  const send = (text: string) => service.send('dev-1', new common.Message(text) as never);

  const first = await signIn(false);
  t.equal(first.present, false);
  await first.client.subscribeAsync(`${inbox}#`, { qos: 1 });
  await leave(first);
  await send('while away');
  const second = await signIn(false);
  t.equal(second.present, true);
  t.equal(await second.heard, 'while away', 'without a SUBSCRIBE');
  await leave(second);

  const clean = await signIn(true);
  t.equal(clean.present, false, 'a clean session forgets');
  await clean.client.subscribeAsync(`${inbox}#`, { qos: 1 });
  await leave(clean);
  const third = await signIn(false);
  t.equal(third.present, false, 'and leaves nothing');
  await third.client.subscribeAsync(`${inbox}#`, { qos: 0 });
  await leave(third);

  const fourth = await signIn(false);
  await send('now');
  t.strictSame([fourth.present, await fourth.heard], [true, 'now']);
  await fourth.client.unsubscribeAsync(`${inbox}#`);
  await leave(fourth);
  t.equal((await signIn(false)).present, false, 'it was taken back');
});

t.test('a message to a device that the mqtt package takes: again until its PUBACK came', async (t) => {
  const cloud = await cloudFor(t);
  const { authentication } = await cloud.hub(host).createDevice({ deviceId: 'dev-1' });
  const key = 'primaryKey' in authentication ? authentication.primaryKey : '';
  const password = buildSas({
    resource: `${host}/devices/dev-1`,
    key: Buffer.from(key, 'base64'),
    expiry: Date.now() / 1000 + 3600,
  });
  const signIn = async (): Promise<MqttClient> => {
    const options = { ca: cloud.ca, clientId: 'dev-1', username: buildHubUserName(host, 'dev-1'), password };
    const client = await mqtt.connectAsync(
      `mqtts://localhost:${cloud.dps.mqttPort}`,
      { ...options, protocolVersion: 4, reconnectPeriod: 0 },
      false,
    );
    t.teardown(() => client.endAsync(true));
    return client;
  };
  const service = serviceClientOf(cloud, host, 'service');
  await service.open();
  t.teardown(() => service.close());
  const feedback = await feedbackReceiver(service);
  const told = once(feedback, 'message') as Promise<[Message]>;
  const message = Object.assign(new common.Message('on'), { messageId: 'm-1', ack: 'full' });
  message.properties.add('lamp', 'north');
  await service.send('dev-1', message as never);

  const forgetful = await signIn();
  // The package sends PUBACK once this has called back.
  forgetful.handleMessage = () => {};
  const first = nextMessage(forgetful);
  t.match(await forgetful.subscribeAsync(`${inbox}#`, { qos: 1 }), [{ qos: 1 }]);
  const [topic, body, packet] = await first;
  const properties = new URLSearchParams(topic.slice(inbox.length));
  t.match(Object.fromEntries(properties), { '$.mid': 'm-1', '$.to': '/devices/dev-1/messages/devicebound', lamp: 'north' });
  t.equal(String(body), 'on');
  t.match(packet, { qos: 1, retain: false });
  const gone = once(cloud.events, 'disconnected');
  forgetful.stream.destroy();
  await gone;

  const careful = await signIn();
  const second = nextMessage(careful);
  await careful.subscribeAsync(`${inbox}#`, { qos: 1 });
  t.match(await second, [topic, body, { qos: 1 }], 'the same once more');
  const [record] = await told;
  t.match(JSON.parse(record.getData().toString()), [{ originalMessageId: 'm-1', statusCode: 'Success' }]);
  await feedback.complete(record);
});
