import { createRequire } from 'node:module';
import { Fault } from '@zerotouch/foundation/fault';
import type { TransportName } from './transport-names.js';

/** The packages of the SDK that a transport stands on; the others come with them. Our own client needs none of them. */
const AMQP = 'azure-iot-provisioning-device-amqp azure-iot-device-amqp';
const MQTT = 'azure-iot-provisioning-device-mqtt azure-iot-device-mqtt azure-iot-security-x509 azure-iot-security-symmetric-key';
const PACKAGES: { readonly [T in TransportName]: string } = {
  mqtt: MQTT,
  'mqtt-ws': MQTT,
  amqp: AMQP,
  'amqp-ws': AMQP,
  http: 'azure-iot-provisioning-device-http',
};

/** A transport whose packages were left out at installation (`npm install --omit=optional`). */
export class TransportFault extends Fault<'TRANSPORT_MISSING'> {}

/**
 * Loads the code of a transport.
 * @throws TransportFault TRANSPORT_MISSING when its packages are not installed
 */
export function loadTransport<T>(transport: TransportName, load: () => T): T {
  try {
    return load();
  } catch (error) {
    const code: unknown = Reflect.get(Object(error), 'code');
    if (code !== 'MODULE_NOT_FOUND') throw error;
    throw missing(transport);
  }
}

/**
 * Looks whether a transport of the SDK can be loaded, without loading it.
 * @throws TransportFault TRANSPORT_MISSING
 */
export function requireTransport(transport: TransportName): void {
  const { resolve } = createRequire(import.meta.url);
  for (const name of PACKAGES[transport].split(' ')) {
    try {
      resolve(name);
    } catch {
      throw missing(transport);
    }
  }
}

function missing(transport: TransportName): TransportFault {
  return new TransportFault('TRANSPORT_MISSING', `the packages of the transport ${transport} are not installed`, {
    where: 'this installation',
    expected: PACKAGES[transport],
    remedy: `npm install ${PACKAGES[transport]}; or go by MQTT with our own client, wire, which needs none of them`,
  });
}
