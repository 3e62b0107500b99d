import { assignmentTable } from '@zerotouch/firmware-sim/boot/assignment';
import { configTable } from '@zerotouch/firmware-sim/boot/config';
import { powerTable } from '@zerotouch/firmware-sim/boot/power';
import { sessionTable } from '@zerotouch/firmware-sim/boot/session';
import t from 'tap';
import { keyOf, type Move, moves, type Situation, start } from './explore.js';

const situations = new Map<string, Situation>([[keyOf(start), start]]);
const arrows = new Map<string, Move[]>();
for (const queue = [start]; queue.length > 0; ) {
  const situation = queue.pop() as Situation;
  const next = moves(situation);
  arrows.set(keyOf(situation), next);
  for (const { to } of next) {
    if (situations.has(keyOf(to))) continue;
    situations.set(keyOf(to), to);
    queue.push(to);
  }
}

t.test(`whatever the world answers (${situations.size} situations)`, async (t) => {
  t.test('every state of every table is reached', async (t) => {
    for (const [name, table] of Object.entries({
      power: powerTable,
      assignment: assignmentTable,
      session: sessionTable,
      config: configTable,
    })) {
      const reached = new Set([...situations.values()].map(({ machine }) => machine[name as 'power']));
      t.strictSame([...reached].sort(), Object.keys(table).sort(), name);
    }
  });

  t.test('a device that is on always waits for something that will come', async (t) => {
    const stuck = [...situations.values()].filter(
      ({ machine, pending }) =>
        machine.power !== 'off' && machine.power !== 'halted' && machine.power !== 'running' && Object.keys(pending).length === 0,
    );
    t.strictSame(stuck, []);
  });

  t.test('from every situation there is a way to running', async (t) => {
    const canRun = new Set([...situations].filter(([, { machine }]) => machine.power === 'running').map(([key]) => key));
    t.ok(canRun.size > 0);
    for (let grown = true; grown; ) {
      grown = false;
      for (const [key, next] of arrows) {
        if (canRun.has(key) || !next.some(({ to }) => canRun.has(keyOf(to)))) continue;
        canRun.add(key);
        grown = true;
      }
    }
    t.strictSame(
      [...situations.keys()].filter((key) => !canRun.has(key)),
      [],
    );
  });

  t.test('asking DPS again after a failure or a second refusal always goes through a wait', async (t) => {
    for (const [key, next] of arrows) {
      const { machine } = situations.get(key) as Situation;
      for (const { event, effects } of next) {
        const registers = effects.some((effect) => effect.do === 'register');
        if (!registers || ('event' in event && event.event === 'due')) continue;
        const firstAsking = machine.registers.asked === 0;
        if (!firstAsking) t.fail(`registers at once in ${key} on ${JSON.stringify(event)}`);
      }
    }
    t.pass('no situation registers twice without a wait');
  });

  t.test('power off leaves nothing under way', async (t) => {
    const off = [...situations.values()].filter(({ machine }) => machine.power === 'off');
    for (const { machine, pending } of off) {
      t.strictSame(pending, {});
      t.match(machine, { assignment: 'idle', session: 'idle', config: 'idle' });
    }
  });

  t.test('a running device holds a live session', async (t) => {
    for (const { machine } of situations.values()) {
      if (machine.power === 'running' || machine.power === 'configuring') t.equal(machine.session, 'connected');
    }
  });
});
