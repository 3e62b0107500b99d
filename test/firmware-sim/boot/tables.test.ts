import { assignmentTable } from '@zerotouch/firmware-sim/boot/assignment';
import { configTable } from '@zerotouch/firmware-sim/boot/config';
import { powerTable } from '@zerotouch/firmware-sim/boot/power';
import { sessionTable } from '@zerotouch/firmware-sim/boot/session';
import { slotTable } from '@zerotouch/firmware-sim/boot/slots';
import t from 'tap';

const tables: Record<string, Record<string, Record<string, readonly [string, string] | undefined>>> = {
  power: powerTable,
  assignment: assignmentTable,
  session: sessionTable,
  config: configTable,
  slots: slotTable,
};

for (const [name, table] of Object.entries(tables)) {
  t.test(`the ${name} table has a row for every state and every event`, async (t) => {
    const states = Object.keys(table);
    const events = [...new Set(states.flatMap((state) => Object.keys(table[state] ?? {})))];
    for (const state of states) {
      for (const event of events) {
        const row = table[state]?.[event];
        t.ok(row !== undefined && states.includes(row[0]), `${state} x ${event}`);
      }
    }
  });

  t.test(`some row of the ${name} table leads to each of its states`, async (t) => {
    const reached = new Set(Object.values(table).flatMap((rows) => Object.values(rows).map((row) => row?.[0])));
    for (const state of Object.keys(table)) t.ok(reached.has(state), state);
  });
}
