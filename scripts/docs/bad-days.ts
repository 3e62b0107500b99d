import type { Scenario } from '@zerotouch/firmware-sim/scenario/scenario';
import { scenarios } from '@zerotouch/firmware-sim/scenario/shipped';
import { stringify } from 'yaml';

const ENDS = {
  running: 'running',
  safe: 'in safe mode: connected, reporting, applying nothing',
  refused: 'waiting to ask again',
} as const satisfies Record<Scenario['expect']['state'], string>;

/** docs/guides/bad-days.md: how to live through a bad day, and the days that are shipped. */
export function badDaysDocument(): string {
  const example = scenarios.find(({ name }) => name === 'power-cut-in-recovery');
  return `# Bad days

A scenario is a list of faults, each with its moment: as the device is switched on, when it enters a state, or after a while. A device lives through it on a copy of its
image, against whatever cloud it would boot to; what the faults concern is answered by the scenario instead. Waits are leapt over, so that a day takes seconds.
Take an image that has not been booted: one that knows its hub does not ask DPS, so a bad day at DPS never comes, and the command waits for it until \`--timeout\` (300 seconds
unless told otherwise), and exits 1.

\`\`\`
zerotouch boot batch/images/thermo-000002.bin --scenario dps-throttles
zerotouch boot batch/images/thermo-000002.bin --scenario ./my-day.yaml --json
\`\`\`

It ends when all faults are over and the device is where the scenario says; the exit code is 1 when that is elsewhere, or when DPS was asked more or less often than
it should be. The last JSON line: \`{"scenario","state","hub","deviceId","dpsCalls","boots","seconds","asExpected","problems"}\`.

In a fleet, part of the devices live through such days, in real time: \`scenarios\` of [its spec](fleet.md#bad-days).

## A scenario of your own

\`zerotouch schema scenario\` prints all that one may say. States are those of the [boot tables](../boot-tables.md).

\`\`\`yaml
${stringify(example, { lineWidth: 120 }).trimEnd()}
\`\`\`

| fault | does |
| --- | --- |
| \`power-cut\` | power goes \`afterWords\` flash words later, or with \`inside\` in the middle of the next one; the device is booted again |
| \`crash\` | the program dies whenever the moment comes, \`times\` times; the device is booted again |
| \`dps\`, \`hub\` | \`answer\` instead of the service, \`times\` times or \`forSeconds\`, with \`retryAfterSeconds\` |
| \`link-drop\` | the connection to the hub is lost |
| \`clock\` | the wall clock shows \`to\`, or jumps by \`jumpSeconds\` |
| \`config-fails\` | a configuration cannot be applied |
| \`command\` | the device is told to \`reprovision\`, \`restart\` or \`factory-reset\` |
| \`bad-sector\` | a sector of the flash takes no more writes |

## The days that are shipped

${scenarios.length} of them; a test lives through each in virtual time, others with Microsoft's clients against the local cloud. This table is made from \`firmware-sim/scenario/shipped.ts\` by \`npm run docs\`.

| name | what happens | the device ends | DPS is asked |
| --- | --- | --- | --- |
${scenarios.map(row).join('\n')}
`;
}

function row({ name, summary, expect }: Scenario): string {
  const calls = typeof expect.dpsCalls === 'number' ? `${expect.dpsCalls}` : `${expect.dpsCalls[0]} to ${expect.dpsCalls[1]}`;
  return `| \`${name}\` | ${summary} | ${ENDS[expect.state]} | ${calls} time${calls === '1' ? '' : 's'} |`;
}
