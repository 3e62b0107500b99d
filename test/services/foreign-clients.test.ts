import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import type { TelemetryEvent } from '@zerotouch/cloud-sim/events';
import t, { type Test } from 'tap';
import { issue, makeAuthority } from '../cloud-sim/certificates.js';
import { cloudFor, derived, key, keyGroup } from '../cloud-sim/clouds.js';
import { Lines } from '../support/lines.js';

/** Debian's Python, with paho-mqtt and uamqp; scripts/services.sh has installed them. */
const python = process.env.ZT_TEST_PYTHON;
if (python === undefined) throw new Error('ZT_TEST_PYTHON is not set: run npm run test:services');

// Compiled tests lie under build/, the scripts do not.
const SCRIPTS = new URL('../../../test/services/foreign/', import.meta.url).pathname;
const GROUP_KEY = key('foreign');

interface Device {
  script: string;
  port: 'mqttPort' | 'amqpPort' | 'httpsPort';
  attestation: 'symmetric-key' | 'x509';
}

/** Says what the device has to know, powers it on, and reads what it tells. */
async function powerOn(t: Test, cloud: Cloud, { script, port, attestation }: Device) {
  const id = `foreign-${attestation}-${port.toLowerCase()}`;
  const folder = t.testdir({ 'ca.pem': cloud.ca });
  const told = {
    idScope: cloud.dps.idScope,
    registrationId: id,
    ca: join(folder, 'ca.pem'),
    port: cloud.dps[port],
    webSocket: port === 'httpsPort',
  };
  const credential: Record<string, string> = {};
  if (attestation === 'x509') {
    const { cert, key: privateKey } = await issue(await makeAuthority('Nobody in particular'), id);
    for (const [name, pem] of Object.entries({ certificate: cert, privateKey })) {
      credential[name] = join(folder, `${name}.pem`);
      writeFileSync(credential[name], pem);
    }
    await cloud.enrolments.putIndividual({
      registrationId: id,
      attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: cert } } } },
    });
  } else {
    await keyGroup(cloud, 'foreign', GROUP_KEY);
    credential.key = derived(GROUP_KEY, id);
  }
  writeFileSync(join(folder, 'told.json'), JSON.stringify({ ...told, ...credential }));
  const child = spawn(python as string, [join(SCRIPTS, script), join(folder, 'told.json')], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  t.teardown(() => child.kill('SIGKILL') && exited);
  const complaints = new Lines(child.stderr);
  const lines = new Lines(child.stdout);
  const tells = async (name: string): Promise<unknown> => {
    const index = await lines.until(new RegExp(`^\\{"${name}"`)).catch((error: Error) => {
      throw new Error(`${error.message}\n${complaints.all.join('\n')}`);
    });
    return (JSON.parse(lines.all[index] ?? '') as Record<string, unknown>)[name];
  };
  return { id, tells };
}

const devices: (Device & { is: string })[] = [
  { is: "Azure's AMQP library in C", script: 'amqp_device.py', port: 'amqpPort', attestation: 'symmetric-key' },
  { is: 'paho-mqtt', script: 'mqtt_device.py', port: 'mqttPort', attestation: 'symmetric-key' },
  { is: 'paho-mqtt', script: 'mqtt_device.py', port: 'mqttPort', attestation: 'x509' },
  { is: 'paho-mqtt over WebSocket', script: 'mqtt_device.py', port: 'httpsPort', attestation: 'symmetric-key' },
  { is: 'paho-mqtt over WebSocket', script: 'mqtt_device.py', port: 'httpsPort', attestation: 'x509' },
];

for (const { is, ...device } of devices) {
  t.test(`a device on ${is}, ${device.attestation}: registered, at its hub, and all that a hub does with it`, async (t) => {
    const cloud = await cloudFor(t);
    const telemetry = once(cloud.events, 'telemetry') as Promise<[TelemetryEvent]>;
    const { id, tells } = await powerOn(t, cloud, device);
    const { assignedHub } = (await tells('registered')) as { assignedHub: string };
    t.match(await tells('registered'), { status: 'assigned', deviceId: id, substatus: 'initialAssignment' });
    const hub = cloud.hub(assignedHub);
    await tells('subscribed');
    t.match(await tells('twin'), { desired: { $version: 1 }, reported: { lamp: 'off', $version: 2 } });
    t.equal(await tells('reported'), 204);
    const [{ body, properties }] = await telemetry;
    t.match([String(body), properties], ['21 degrees', { room: 'north' }]);

    await hub.updateDesired(id, { lamp: 'on' });
    t.match(await tells('desired'), { lamp: 'on', $version: 2 });
    await hub.sendMessage(id, { body: 'good morning', ack: 'full' });
    t.equal(await tells('message'), 'good morning');
    const answer = await hub.invokeMethod(id, { name: 'reboot', payload: { delay: 5 } });
    t.strictSame(answer, { status: 200, payload: { did: 'reboot' } });
    t.strictSame(await tells('method'), 'reboot');
  });
}
