import type { FleetWatch } from '@zerotouch/fleet-sim/live/watch';
import { Counter, Gauge, Registry } from 'prom-client';

/** What a fleet tells Prometheus, read from what it tells everybody. */
export function fleetMetrics(watch: FleetWatch): Registry {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `zerotouch_fleet_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  const counter = (name: string, help: string, read: () => number): void => {
    new Counter({
      name: `zerotouch_fleet_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  new Gauge({
    name: 'zerotouch_fleet_devices',
    help: 'Devices by state: off, booting, online, halted',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(watch.tick.states)) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'zerotouch_fleet_hub_devices',
    help: 'Devices that have been running, by hub',
    labelNames: ['hub'],
    registers,
    collect() {
      for (const [hub, count] of Object.entries(watch.tick.hubs)) this.set({ hub }, count);
    },
  });
  new Gauge({
    name: 'zerotouch_fleet_boot_seconds',
    help: 'From power on to running, seconds, by quantile; of the whole run',
    labelNames: ['quantile'],
    registers,
    collect() {
      const { p50, p95, p99 } = watch.tick.bootMs;
      for (const [quantile, ms] of Object.entries({ '0.5': p50, '0.95': p95, '0.99': p99 }))
        if (ms !== null) this.set({ quantile }, ms / 1000);
    },
  });
  gauge('size', 'Devices of the fleet', () => watch.tally.devices);
  gauge('paused', '1 while no more devices are powered on', () => Number(watch.tick.isPaused));
  counter('boots', 'Devices that have been running', () => watch.tally.booted);
  counter('retries', 'Waits after a failure', () => watch.tally.retries);
  counter('throttled', 'Answers 429', () => watch.tally.throttled);
  counter('telemetry', 'Messages sent by devices', () => watch.tally.telemetry);
  return registry;
}
