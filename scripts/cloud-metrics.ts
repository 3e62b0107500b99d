import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { Counter, Gauge, Registry } from 'prom-client';

/** What a local cloud tells Prometheus, counted from its events. */
export function cloudMetrics(cloud: Pick<Cloud, 'events' | 'hubs' | 'hub'>): Registry {
  const registry = new Registry();
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> =>
    new Counter({ name: `zerotouch_cloud_${name}_total`, help, labelNames, registers });
  const registered = counter('registrations', 'Devices that DPS assigned, by hub', ['hub']);
  const refused = counter('refusals', 'Requests and sign-ins that were refused, by rule', ['rule']);
  const connected = counter('connections', 'Devices that signed in, by hub', ['hub']);
  const disconnected = counter('disconnections', 'Devices that went, by hub', ['hub']);
  const telemetry = counter('telemetry', 'Messages of devices, by hub', ['hub']);
  const bytes = counter('telemetry_bytes', 'Bytes of messages of devices, by hub', ['hub']);
  const reported = counter('reported', 'Updates of reported properties, by hub', ['hub']);
  const { events } = cloud;
  events.on('registered', ({ hub }) => registered.inc({ hub }));
  events.on('refused', ({ reason }) => refused.inc({ rule: reason.rule }));
  events.on('connected', ({ hub }) => connected.inc({ hub }));
  events.on('disconnected', ({ hub }) => disconnected.inc({ hub }));
  events.on('reported', ({ hub }) => reported.inc({ hub }));
  events.on('telemetry', ({ hub, body }) => {
    telemetry.inc({ hub });
    bytes.inc({ hub }, body.length);
  });
  new Gauge({
    name: 'zerotouch_cloud_devices',
    help: 'Devices of a hub: registered there, and connected',
    labelNames: ['hub', 'state'],
    registers,
    async collect() {
      this.reset();
      for (const { host: hub } of cloud.hubs) {
        const { devices, connected: now } = await cloud.hub(hub).counts();
        this.set({ hub, state: 'registered' }, devices);
        this.set({ hub, state: 'connected' }, now);
      }
    },
  });
  return registry;
}
