import { HUB_TIERS, type HubTier } from '@zerotouch/azure-wire/hub-rates';
import { isIdScope, LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Behaviour } from './behaviours/behaviour.js';
import { dpsChoices } from './choices.js';
import type { Latencies } from './dps/latency.js';
import type { ServicePolicy } from './dps/policies.js';
import type { TrustBundleSpec } from './dps/trust-bundles.js';
import { CloudFault } from './faults.js';
import { type LimitOption, limitSchema } from './limits.js';
import type { CloudState } from './store/state.js';

/** An IoT hub that the cloud runs. */
export interface HubSpec {
  /** Its real host name, e.g. `hub-weu.azure-devices.net`. */
  host: string;
  /** Azure region, e.g. `westeurope`. */
  region: string;
  /** Subscription, a GUID. */
  subscription: string;
  /** What it was bought as; its rates follow from it. Default: one unit of S1. */
  tier?: HubTier | undefined;
  units?: number | undefined;
}

/** How a local cloud is started; everything has a default. */
export interface CloudOptions {
  clock?: Clock;
  entropy?: Entropy;
  /** Default: silent. */
  log?: Logger;
  /** The address to listen on. Only the loopback address: a local cloud is no public service. */
  host?: '127.0.0.1';
  /** MQTT over TLS; 0 (the default) takes a free port. */
  mqttPort?: number;
  /** AMQP 1.0 over TLS, for DPS; 0 (the default) takes a free port. */
  amqpPort?: number;
  /** HTTPS: the device API and the service API of DPS, and WebSocket; 0 (the default) takes a free port. */
  httpsPort?: number;
  idScope?: string;
  /** Default: three hubs in three regions, {@link DEFAULT_HUBS}. */
  hubs?: readonly HubSpec[];
  /** What this cloud does other than Azure on a good day; more can be plugged in while it runs. */
  behaviours?: readonly Behaviour[];
  /** Folder that everything is kept in, made when it is missing; what was answered survives the process. Default: memory only. */
  data?: string;
  /** What `exportState` of another cloud gave, to begin with; only where there are no data yet. */
  state?: CloudState;
  /** Shared access policies of the DPS service API besides `provisioningserviceowner`, which every DPS has. */
  policies?: readonly ServicePolicy[];
  /** What DPS tells a device to wait before it asks again, seconds; fractions and 0 are allowed. Default 3, as real DPS is seen to send. */
  retryAfterSeconds?: number;
  /** Which limits are kept; see {@link LimitOption} for the default. */
  limits?: LimitOption;
  /**
   * Regions in which the service has an edge with a loopback address of its own, 127.0.1.1 and so on; a device that comes in there has its latency
   * to each hub. Default: the regions whose latencies are known.
   */
  regions?: readonly string[];
  /** Round trips between regions in milliseconds, instead of those that follow from the distance. */
  latencies?: Latencies;
  /** How long the webhook of custom allocation may take, seconds. Default 5. */
  webhookTimeoutSeconds?: number;
  /** PEM of a CA that webhooks over HTTPS may have their certificate from, besides the public ones. */
  webhookCa?: string;
  /** What devices of enrolments with a `trustBundleId` are told to trust, by api-version 2021-11-01-preview. Default: none. */
  trustBundles?: readonly TrustBundleSpec[];
  /** How long a connection may take until its MQTT CONNECT is there, seconds. Default 30. */
  connectTimeoutSeconds?: number;
  /**
   * Processes that do TLS for this one, which then has its processor for what devices ask, and none of their descriptors. 0 (the default): TLS is
   * done in this process.
   */
  workers?: number;
}

/** The hubs of a cloud that is told none: three regions, two subscriptions. */
export const DEFAULT_HUBS: readonly HubSpec[] = [
  { host: 'hub-weu.azure-devices.net', region: 'westeurope', subscription: '3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8a01' },
  { host: 'hub-eus.azure-devices.net', region: 'eastus', subscription: '3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8a01' },
  { host: 'hub-sea.azure-devices.net', region: 'southeastasia', subscription: '8b7e2d94-15c6-4b7a-8f21-6c9a4e3d2b02' },
];

/** Seconds of `retry-after` when none are asked for. Source: azure-sdk-for-c's samples of real replies. */
export const DEFAULT_RETRY_AFTER_SECONDS = 3;
/** More TLS processes than any machine has use for. */
const MAX_WORKERS = 64;
/** Seconds until a connection without MQTT CONNECT is closed. */
export const DEFAULT_CONNECT_TIMEOUT_SECONDS = 30;

/** The settings of a cloud, every one there. */
export const settingsSchema = z.strictObject({
  host: z.literal('127.0.0.1'),
  mqttPort: z.int().min(0).max(65_535),
  amqpPort: z.int().min(0).max(65_535),
  httpsPort: z.int().min(0).max(65_535),
  data: z.string().min(1).optional(),
  idScope: z.string().refine(isIdScope, { error: 'is no ID scope: 0ne and eight hexadecimal digits' }),
  hubs: z
    .array(
      z.strictObject({
        host: z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/i, { error: 'is no host name' }),
        region: z.string().min(1),
        subscription: z.guid(),
        tier: z.enum(HUB_TIERS).optional(),
        units: z.int().min(1).max(200).optional(),
      }),
    )
    .min(1)
    .refine((hubs) => new Set(hubs.map(({ host }) => host.toLowerCase())).size === hubs.length, { error: 'hold a host twice' }),
  retryAfterSeconds: z.number().min(0),
  connectTimeoutSeconds: z.number().positive(),
  workers: z.int().min(0).max(MAX_WORKERS),
  limits: limitSchema,
  regions: z.array(z.string().min(1)).max(250).optional(),
  latencies: z.record(z.string(), z.record(z.string(), z.number().min(0))),
  webhookTimeoutSeconds: z.number().positive(),
});

/** The settings of a cloud with every default filled in. */
export type CloudSettings = z.infer<typeof settingsSchema>;

/** @throws CloudFault BAD_OPTIONS naming the option */
export function cloudSettings(options: CloudOptions): CloudSettings {
  const result = settingsSchema.safeParse({
    host: options.host ?? '127.0.0.1',
    mqttPort: options.mqttPort ?? 0,
    amqpPort: options.amqpPort ?? 0,
    httpsPort: options.httpsPort ?? 0,
    data: options.data,
    idScope: options.idScope ?? LOCAL_ID_SCOPE,
    hubs: options.hubs ?? DEFAULT_HUBS,
    retryAfterSeconds: options.retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS,
    connectTimeoutSeconds: options.connectTimeoutSeconds ?? DEFAULT_CONNECT_TIMEOUT_SECONDS,
    workers: options.workers ?? 0,
    limits: options.limits ?? {},
    regions: options.regions,
    latencies: options.latencies ?? {},
    webhookTimeoutSeconds: options.webhookTimeoutSeconds ?? dpsChoices.webhookTimeoutSeconds.value,
  });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new CloudFault('BAD_OPTIONS', issue?.message ?? 'an option is invalid', { where: `option ${issue?.path.join('.') ?? ''}` });
}
