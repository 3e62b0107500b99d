/**
 * The ways a device can speak to the cloud, as users name them: MQTT, AMQP, either of them over WebSocket, HTTPS. DPS takes all of them; a hub
 * that configures its devices takes the first four (HTTPS has no twin), so with `http` the hub is reached by MQTT.
 */
export const transportNames = ['mqtt', 'mqtt-ws', 'amqp', 'amqp-ws', 'http'] as const;
export type TransportName = (typeof transportNames)[number];

/** What carries a session with a hub. */
export type HubTransportName = Exclude<TransportName, 'http'>;

/** What our own client speaks. */
export type WireTransportName = Extract<TransportName, 'mqtt' | 'mqtt-ws'>;

/** How the hub is reached by a device that was told this transport. */
export function hubTransport(name: TransportName): HubTransportName {
  return name === 'http' ? 'mqtt' : name;
}
