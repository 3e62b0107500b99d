import { assignmentTable } from '@zerotouch/firmware-sim/boot/assignment';
import { configTable } from '@zerotouch/firmware-sim/boot/config';
import { powerTable } from '@zerotouch/firmware-sim/boot/power';
import { sessionTable } from '@zerotouch/firmware-sim/boot/session';
import { slotTable } from '@zerotouch/firmware-sim/boot/slots';

type AnyTable = Readonly<Record<string, Readonly<Record<string, readonly [next: string, effect: string]>>>>;

const chapters: readonly (readonly [name: string, table: AnyTable, purpose: string])[] = [
  ['power', powerTable, 'The device as a whole. It starts and stops the other four; what they hand over comes back as its events.'],
  ['assignment', assignmentTable, 'Getting a hub from DPS, and keeping it in flash before it is used.'],
  ['session', sessionTable, 'The connection to the hub.'],
  ['config', configTable, 'What the hub wants the device to be: read, applied, kept, reported.'],
  [
    'slots',
    slotTable,
    'Images with two application slots: which application runs, and whether it stays. It works beside the others; that the device has been running for a while is `healthy` here.',
  ],
];

/** The text of docs/boot-tables.md, made from the tables themselves. */
export function bootTablesDocument(): string {
  return `${[
    '# The boot tables',
    '',
    'Written by `npm run docs` from `firmware-sim/boot`; a test fails when it no longer says what the tables say.',
    '',
    'Each table has a row for every state and every event. Rows that change nothing and do nothing (an answer that comes too late) are left out here.',
    ...chapters.flatMap(([name, table, purpose]) => chapter(name, table, purpose)),
  ].join('\n')}\n`;
}

function chapter(name: string, table: AnyTable, purpose: string): string[] {
  const rows = Object.entries(table).flatMap(([state, events]) =>
    Object.entries(events)
      .filter(([, [next, effect]]) => next !== state || effect !== 'none')
      .map(([event, [next, effect]]) => ({ state, event, next, effect })),
  );
  return [
    '',
    `## ${name}`,
    '',
    purpose,
    '',
    '```mermaid',
    'stateDiagram-v2',
    ...arrows(rows).map(([from, to, events]) => `  ${id(from)} --> ${id(to)}: ${events}`),
    '```',
    '',
    '| state | event | next state | effect |',
    '| --- | --- | --- | --- |',
    ...rows.map(({ state, event, next, effect }) => `| ${state} | ${event} | ${next} | ${effect === 'none' ? '' : effect} |`),
  ];
}

function arrows(rows: readonly { state: string; event: string; next: string }[]): [string, string, string][] {
  const merged = new Map<string, [string, string, string[]]>();
  for (const { state, event, next } of rows) {
    // Power off leads home from everywhere: drawn, it would hide all else.
    if (event === 'stop' || event === 'power-off') continue;
    const key = `${state} ${next}`;
    const arrow = merged.get(key) ?? [state, next, []];
    arrow[2].push(event);
    merged.set(key, arrow);
  }
  return [...merged.values()].map(([from, to, events]) => [from, to, events.join(', ')]);
}

function id(state: string): string {
  return state.replaceAll('-', '_');
}
