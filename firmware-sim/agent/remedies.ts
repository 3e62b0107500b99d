import type { FailureKind } from '../boot/ports.js';

/** What a person can do about each kind of failure, while the device goes on by itself. */
export const remedies: Readonly<Record<FailureKind, string>> = {
  refused: 'look at the enrolment: is it there, enabled, and for this registration id and credential? The device asks again by itself',
  ambiguous:
    'if it lasts, look at the enrolment and at whether the device is enabled in its hub; MQTT does not tell a refusal from a lost connection',
  throttled: 'nothing: the device comes back when it was told to; if it lasts, fewer devices at a time or a larger tier',
  unavailable: 'nothing: the service is down or busy, and the device waits for it',
  unreachable: 'look at the network here: cable or Wi-Fi, DNS, a firewall on this port (try transport: mqtt-ws), a proxy, the clock',
  dropped:
    'nothing: the device connects again; if it lasts, look for a network that cuts idle connections, or a second device with this identity',
  'timed-out': 'look at the network here: packets get lost, or a firewall drops them',
  invalid: 'look at the endpoint in the settings: what answered there is not what was asked for',
};
