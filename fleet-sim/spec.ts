import { dirname, resolve } from 'node:path';
import { clientNames } from '@zerotouch/firmware-sim/transport/client-names';
import { transportNames } from '@zerotouch/firmware-sim/transport/transport-names';
import { parseYaml } from '@zerotouch/foundation/yaml-file';
import { z } from 'zod';
import { FleetFault } from './faults.js';
import { fleetScenario, patienceFor, readFleetScenarios } from './spec-scenarios.js';
import type { FleetScenario } from './who-suffers.js';

/** How long a fleet waits for its devices unless its spec says, seconds. */
const GIVE_UP_SECONDS = 600;

const seconds = z
  .number()
  .min(0)
  .max(30 * 24 * 3600);
const share = z.number().positive();
const perSecond = z.number().positive().describe('devices a second');

const powerOn = z.discriminatedUnion('profile', [
  z.strictObject({ profile: z.literal('at-once') }),
  z
    .strictObject({ profile: z.literal('paced'), booting: z.int().min(1).max(100_000) })
    .describe('so many devices boot at a time; the next is powered on when one is running'),
  z.strictObject({ profile: z.literal('ramp'), overSeconds: seconds }).describe('more and more devices a second, all after this time'),
  z.strictObject({ profile: z.literal('poisson'), perSecond }).describe('independent of one another, so many a second on average'),
  z.strictObject({ profile: z.literal('staggered'), perSecond }).describe('spread as a policy would, so many a second'),
  z
    .strictObject({
      profile: z.literal('business-hours'),
      opens: z.number().min(0).max(24).default(8),
      closes: z.number().min(0).max(24).default(18),
      dayLastsSeconds: seconds.default(240),
    })
    .describe('each region at its own hours: on when it opens, off when it closes; a day of 24 hours lasts so many seconds'),
  z
    .strictObject({ profile: z.literal('outage'), region: z.string().min(1), afterSeconds: seconds, lastsSeconds: seconds })
    .describe('all at once; then one region loses power, and comes back all at once'),
]);

const schema = z.strictObject({
  version: z.literal(1),
  name: z.string().min(1).max(100).optional(),
  images: z.string().min(1).optional().describe('folder of a burnt batch, or of images; relative to the spec. Either this or burn'),
  burn: z
    .strictObject({
      spec: z.string().min(1).describe('batch spec, as zerotouch burn takes it; relative to this one'),
      out: z.string().min(1).describe('folder of the batch: what is burnt there already is not burnt again; relative to this spec'),
    })
    .optional()
    .describe('burns each image right before its device is powered on, and enrols it'),
  devices: z.int().min(1).max(1_000_000).optional().describe('only so many of the images'),
  powerOn: powerOn.default({ profile: 'paced', booting: 256 }),
  regions: z
    .array(z.strictObject({ name: z.string().min(1), share: share.default(1), utcOffsetHours: z.number().min(-12).max(14).default(0) }))
    .min(1)
    .optional(),
  clients: z
    .array(
      z.strictObject({
        client: z.enum(['lean', ...clientNames]).describe("lean: the fleet's own; wire: over the mqtt package; sdk: Microsoft's"),
        transport: z.enum(transportNames).default('mqtt'),
        share: share.default(1),
      }),
    )
    .min(1)
    .default([{ client: 'lean', transport: 'mqtt', share: 1 }]),
  tls: z.enum(['1.2', '1.3']).default('1.2').describe('the newest TLS that the lean client speaks; Azure IoT documents 1.2'),
  afterwards: z
    .strictObject({
      stayForSeconds: seconds.default(0),
      telemetryEverySeconds: z.number().min(0.1).max(86_400).optional(),
      powerOff: z.boolean().default(false).describe('each device is switched off as soon as it has run'),
    })
    .default({ stayForSeconds: 0, powerOff: false }),
  faults: z
    .strictObject({ powerCuts: z.strictObject({ share: z.number().min(0).max(1), withinSeconds: seconds }).optional() })
    .default({})
    .describe('power cuts: this share of the devices loses power once, at some moment of the first so many seconds'),
  scenarios: z.array(fleetScenario).max(100).default([]).describe('bad days that some of the devices live through, one each, in real time'),
  seed: z.string().max(100).default('').describe('which devices the scenarios fall on: another word, others'),
  giveUpAfterSeconds: seconds.optional().describe('600 unless given; where scenarios last, ten minutes more than the longest'),
  writeBack: z.boolean().default(false).describe('what devices write goes into their images; otherwise images are only read'),
  hubShares: z.record(z.string(), share).optional().describe('which share of the devices each hub should get, for the report'),
});

type Written = z.infer<typeof schema>;

/** A fleet as its spec file says, every default filled in, and what other files say read. */
export interface FleetSpec extends Omit<Written, 'images' | 'scenarios' | 'giveUpAfterSeconds'> {
  /** Folder of the batch or of the images. */
  readonly images: string;
  readonly scenarios: readonly FleetScenario[];
  readonly giveUpAfterSeconds: number;
}
export type PowerOnProfile = FleetSpec['powerOn'];

/** The JSON Schema of a fleet spec. */
export function fleetSpecJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(schema, { io: 'input' }) as Record<string, unknown>;
}

/**
 * Reads a fleet spec, YAML or JSON; `images` becomes absolute, taken from the folder of the file.
 * @throws FleetFault FLEET_SPEC naming file and field, SCENARIO_UNFIT; Fault of a scenario's file
 */
export function parseFleetSpec(text: string, fileName: string): FleetSpec {
  const { data, locate } = parseYaml(text, fileName, (summary, where) => bad(where, summary));
  const parsed = schema.safeParse(data);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
    throw bad(locate([...(issue?.path ?? []), ...unknown]), issue?.message ?? 'invalid');
  }
  const spec = parsed.data;
  if ((spec.images === undefined) === (spec.burn === undefined)) {
    const seen = spec.images === undefined ? 'neither' : 'both';
    throw bad(locate(['images']), 'a fleet has either images or burn', seen, 'images: the folder of a burnt batch, or burn: { spec, out }');
  }
  const names = spec.regions?.map(({ name }) => name) ?? [];
  if (spec.powerOn.profile === 'outage') {
    const { region } = spec.powerOn;
    if (!names.includes(region)) throw bad(locate(['powerOn', 'region']), 'is not one of regions', region, names.join(', ') || 'regions');
  }
  for (const [index, { client, transport }] of spec.clients.entries()) {
    const able = client === 'sdk' || transport === 'mqtt' || (client === 'wire' && transport === 'mqtt-ws');
    if (!able)
      throw bad(locate(['clients', index, 'transport']), `the client ${client} does not speak it`, transport, 'mqtt, or client sdk');
  }
  const scenarios = readFleetScenarios(spec.scenarios, { fileName, locate, regions: names });
  const giveUpAfterSeconds = patienceFor(scenarios, spec.giveUpAfterSeconds, GIVE_UP_SECONDS, locate);
  const pathOf = (path: string): string => resolve(dirname(fileName), path);
  const { burn } = spec;
  return {
    ...spec,
    scenarios,
    giveUpAfterSeconds,
    images: pathOf(burn?.out ?? spec.images ?? ''),
    burn: burn && { spec: pathOf(burn.spec), out: pathOf(burn.out) },
  };
}

function bad(where: string, summary: string, seen?: unknown, expected?: string): FleetFault {
  return new FleetFault('FLEET_SPEC', summary, {
    where,
    ...(seen === undefined ? {} : { seen }),
    ...(expected === undefined ? {} : { expected }),
    remedy: 'zerotouch schema fleet prints all that a spec may say',
  });
}
