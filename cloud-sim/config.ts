import { z } from 'zod';
import { behaviourOf, configuredBehaviour } from './behaviours/configured.js';
import { SERVICE_RIGHTS } from './dps/policies.js';
import { CloudFault } from './faults.js';
import { azureLimits, type LimitValues } from './limits.js';
import { type CloudOptions, settingsSchema } from './options.js';

const settings = settingsSchema.shape;

// `none` where code says Infinity: JSON has no word for that.
const limit = z.union([z.number().positive(), z.literal('none')]).optional();

/** The file that `zerotouch cloud --config` reads: what code says to `startCloud`, as far as a file can say it. */
const configSchema = z.strictObject({
  version: z.literal(1).meta({ description: 'Version of this format.' }),
  idScope: settings.idScope.optional().meta({ description: 'ID scope of the DPS.' }),
  hubs: settings.hubs.optional().meta({ description: 'The IoT hubs that run, all linked to the DPS. Default: three in three regions.' }),
  mqttPort: settings.mqttPort.optional().meta({ description: 'Port of MQTT over TLS; 0 takes a free one.' }),
  amqpPort: settings.amqpPort.optional().meta({ description: 'Port of AMQP over TLS; 0 takes a free one.' }),
  httpsPort: settings.httpsPort.optional().meta({ description: 'Port of HTTPS and WebSocket; 0 takes a free one.' }),
  data: settings.data.meta({ description: 'Folder that everything is kept in, relative to this file. Default: memory only.' }),
  workers: settings.workers.optional().meta({ description: 'Processes that do TLS. Default 0: none of their own.' }),
  retryAfterSeconds: settings.retryAfterSeconds.optional().meta({ description: 'What DPS tells devices to wait, seconds. Default 3.' }),
  connectTimeoutSeconds: settings.connectTimeoutSeconds
    .optional()
    .meta({ description: 'Seconds until a connection that does not sign in is closed. Default 30.' }),
  limits: z
    .union([
      z.enum(['azure', 'off']),
      z.strictObject(Object.fromEntries(Object.keys(azureLimits).map((name) => [name, limit])) as Record<keyof LimitValues, typeof limit>),
    ])
    .optional()
    .meta({ description: 'azure: every limit as Azure has it; off: none; or single values, `none` for no limit. Default: no rates.' }),
  regions: settings.regions.meta({ description: 'Regions with an edge of their own, 127.0.1.1 and so on.' }),
  latencies: settings.latencies.optional().meta({ description: 'Round trips between regions, milliseconds, both ways.' }),
  webhookTimeoutSeconds: settings.webhookTimeoutSeconds
    .optional()
    .meta({ description: 'How long the webhook of custom allocation may take, seconds. Default 5.' }),
  webhookCa: z.string().min(1).optional().meta({ description: 'File with a CA (PEM) that webhooks may have their certificate from.' }),
  trustBundles: z
    .array(z.strictObject({ id: z.string().min(1), certificates: z.array(z.string().min(1)).min(1) }))
    .optional()
    .meta({ description: 'What devices may be told to trust; certificates are files (PEM), one each.' }),
  behaviours: z
    .array(configuredBehaviour)
    .max(100)
    .optional()
    .meta({ description: 'What this cloud does other than Azure on a good day; the first stands nearest to the device.' }),
  policies: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        rights: z.array(z.enum(SERVICE_RIGHTS)).min(1),
        primaryKey: z.string().min(1).optional(),
        secondaryKey: z.string().min(1).optional(),
      }),
    )
    .optional()
    .meta({ description: 'Shared access policies of the DPS besides provisioningserviceowner; keys that are left out are made.' }),
});

/** Where a file says what it says, for errors. */
export type Locate = (path: readonly (string | number)[]) => string;

/** Reads a file that the configuration names, by its path there. */
export type ReadText = (path: string) => string;

/**
 * The options that a configuration file says.
 * @param data what the file holds, parsed
 * @param locate names a place in the file
 * @param read gives the text of a file that is named in it
 * @throws CloudFault BAD_CONFIG naming place and field of the first problem
 */
export function cloudConfig(data: unknown, locate: Locate, read: ReadText): CloudOptions {
  const parsed = configSchema.safeParse(data);
  if (!parsed.success) throw problem(parsed.error, locate);
  const { version: _, limits, webhookCa, trustBundles, behaviours, ...options } = parsed.data;
  return {
    ...options,
    ...(limits === undefined ? {} : { limits: typeof limits === 'string' ? limits : numbers(limits) }),
    ...(behaviours === undefined ? {} : { behaviours: behaviours.map(behaviourOf) }),
    ...(webhookCa === undefined ? {} : { webhookCa: read(webhookCa) }),
    ...(trustBundles === undefined
      ? {}
      : { trustBundles: trustBundles.map(({ id, certificates }) => ({ id, certificates: certificates.map((file) => read(file)) })) }),
  } as CloudOptions;
}

/** The JSON Schema of the configuration file. */
export function cloudConfigJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, { target: 'draft-2020-12', unrepresentable: 'any' });
}

function numbers(limits: Partial<Record<keyof LimitValues, number | 'none' | undefined>>): Partial<LimitValues> {
  const given = Object.entries(limits).filter((entry): entry is [string, number | 'none'] => entry[1] !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, value === 'none' ? Number.POSITIVE_INFINITY : value]));
}

function problem({ issues }: z.ZodError, locate: Locate): CloudFault {
  const issue = innermost(issues[0]);
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    return new CloudFault('BAD_CONFIG', `unknown field ${JSON.stringify(key)}`, {
      where: locate([...path, key]),
      expected: 'a field that zerotouch schema cloud shows',
    });
  }
  return new CloudFault('BAD_CONFIG', issue.message, { where: locate(path) });
}

/** Of a choice between forms, what is wrong with the one that came closest. */
function innermost(issue: z.core.$ZodIssue | undefined): z.core.$ZodIssue {
  if (issue === undefined) throw new Error('a schema failed without an issue');
  if (issue.code !== 'invalid_union') return issue;
  const [best] = issue.errors
    .flat()
    .sort(
      (one, other) => other.path.length - one.path.length || Number(one.code === 'invalid_value') - Number(other.code === 'invalid_value'),
    );
  return best === undefined ? issue : { ...innermost(best), path: [...issue.path, ...best.path] };
}
