import { z } from 'zod';

const count = z.int().min(1).max(1_000);
const seconds = z.number().positive().max(86_400);
const answers = ['refused', 'ambiguous', 'throttled', 'unavailable', 'unreachable', 'dropped', 'timed-out', 'invalid', 'hangs'] as const;

const when = z
  .union([
    z.literal('start'),
    z.strictObject({ state: z.string().min(1), nth: count.optional() }),
    z.strictObject({ afterSeconds: seconds }),
  ])
  .describe(
    'start: as the device is switched on. state: when it enters that state (docs/boot-tables.md), the nth time. afterSeconds: by time.',
  );

const falseAnswer = {
  answer: z.enum(answers).describe('What comes instead of an answer; hangs: nothing, and it cannot be ended either.'),
  retryAfterSeconds: seconds.optional(),
  times: count.optional(),
  forSeconds: seconds.optional(),
};

const fault = z.discriminatedUnion('fault', [
  z.strictObject({ when, fault: z.literal('power-cut'), afterWords: z.int().min(0).max(100_000), inside: z.boolean().optional() }),
  z.strictObject({ when, fault: z.literal('crash'), times: count.optional() }),
  z.strictObject({ when, fault: z.literal('dps'), ...falseAnswer }),
  z.strictObject({ when, fault: z.literal('hub'), ...falseAnswer }),
  z.strictObject({ when, fault: z.literal('link-drop') }),
  z.strictObject({ when, fault: z.literal('clock'), to: z.iso.datetime().optional(), jumpSeconds: z.number().optional() }),
  z.strictObject({ when, fault: z.literal('config-fails'), times: count.optional() }),
  z.strictObject({ when, fault: z.literal('command'), command: z.enum(['reprovision', 'restart', 'factory-reset']) }),
  z.strictObject({ when, fault: z.literal('bad-sector'), sector: z.int().min(0).max(8_191) }),
]);

/** The scenario, version 1: what `zerotouch boot --scenario` reads. Unknown keys are refused. */
export const scenarioSchema = z.strictObject({
  version: z.literal(1).describe('Version of this format.'),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'lower-case letters, digits and -, at most 64'),
  summary: z.string().default('').describe('What happens, in a sentence.'),
  faults: z.array(fault).max(100).describe('What goes wrong, and when.'),
  expect: z.strictObject({
    state: z.enum(['running', 'safe', 'refused']).default('running').describe('Where the device ends.'),
    dpsCalls: z
      .union([z.int().min(0), z.tuple([z.int().min(0), z.int().min(0)])])
      .describe('How often DPS is asked: a number, or [least, most] where the dice have a say.'),
  }),
});

/** JSON Schema of a scenario file. */
export function scenarioJsonSchema(): Record<string, unknown> {
  return { title: 'zerotouch scenario', ...z.toJSONSchema(scenarioSchema, { io: 'input' }) };
}
