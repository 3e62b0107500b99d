import { warningCodes } from '../boot/root-warnings.js';
import type { Metric, Sample } from './exposition.js';
import type { Health } from './standing.js';

/** What is measured of an agent besides its health. */
export interface Measures {
  /** How long the device has been running without a break, milliseconds; 0 when it is not. */
  readonly runningMs: number;
  /** The certificates it proves itself with: which, and until when, milliseconds since 1970. */
  readonly certificates: readonly { readonly certificate: 'burnt' | 'issued'; readonly until: number }[];
  /** The `nvs` partition; absent while no flash is mounted. */
  readonly flash: { readonly erasures: number; readonly badSectors: number } | undefined;
  /** For how long the device has been silent though it should not be, milliseconds. */
  readonly overdueMs: number;
  /** How often the service manager wants a sign of life, milliseconds; absent: never. */
  readonly watchdogMs: number | undefined;
}

/**
 * An agent's metrics for Prometheus. Named as those of fleets and clouds are; they tell how much and never who: no id of a device is in them,
 * Prometheus knows whom it asked.
 */
export function agentMetrics(health: Health, measures: Measures): Metric[] {
  const { counters, image, settings, versions } = health;
  const { certificates, flash } = measures;
  const { agent: version, node, platform } = versions;
  return [
    gauge('info', 'What runs here', [{ value: 1, labels: { version, node, platform } }]),
    gauge('state', 'The state that the device is in', [{ value: 1, labels: { state: health.state } }]),
    gauge('running', '1 while the device is running: connected to this hub and configured', [
      { value: Number(health.healthy), labels: { hub: health.hub ?? '' } },
    ]),
    gauge('connected_seconds', 'For how long it has been running without a break', one(measures.runningMs / 1000)),
    gauge('boot_seconds', 'From power on to running, seconds; of the last power on', known(health.bootMs, 1000)),
    gauge('config_version', 'Version of the desired properties in force', known(health.configVersion)),
    counter('boots', 'Boots, over the life of the image', one(image.boots)),
    counter('registrations', 'Registrations, over the life of the image', one(image.registrations)),
    counter('power_ons', 'Devices powered on since the agent started', one(counters.powerOns)),
    counter('reconnections', 'Times the device was running again after it was not', one(counters.reconnections)),
    counter('retries', 'Waits after a failure', one(counters.retries)),
    counter('throttled', 'Answers 429', one(counters.failures.throttled)),
    counter(
      'failures',
      'Failures, by kind',
      Object.entries(counters.failures).map(([kind, value]) => ({ value, labels: { kind } })),
    ),
    counter('faults', 'Faults of flash or image', one(counters.faults)),
    gauge(
      'warnings',
      'What works today and is known to end, by code',
      warningCodes.map((code) => ({ value: health.warnings.filter((warning) => warning.code === code).length, labels: { code } })),
    ),
    counter('settings_applied', 'Changed settings that were applied', one(counters.settingsApplied)),
    gauge('settings_refused', '1 while the settings in the file are not those in force', one(Number(settings.refused !== null))),
    gauge(
      'certificate_expiry_timestamp_seconds',
      'When a certificate of the device runs out, seconds since 1970',
      certificates.map(({ certificate, until }) => ({ value: Math.round(until / 1000), labels: { certificate } })),
    ),
    counter('flash_erasures', 'Sectors of the nvs partition that were erased, over the life of the image', known(flash?.erasures)),
    gauge('flash_bad_sectors', 'Sectors of the nvs partition that take no more writes', known(flash?.badSectors)),
    gauge('watchdog_seconds', 'How often the service manager wants a sign of life; 0: never', one((measures.watchdogMs ?? 0) / 1000)),
    gauge('watchdog_overdue_seconds', 'For how long the device has been silent though it should not be', one(measures.overdueMs / 1000)),
  ];
}

function gauge(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name: `zerotouch_agent_${name}`, help, type: 'gauge', samples };
}

function counter(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name: `zerotouch_agent_${name}_total`, help, type: 'counter', samples };
}

const one = (value: number): readonly Sample[] => [{ value }];

/** No sample of what is not known. */
function known(value: number | null | undefined, divisor = 1): readonly Sample[] {
  return value === null || value === undefined ? [] : one(value / divisor);
}
