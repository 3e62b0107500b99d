import { assignmentTable } from '@zerotouch/firmware-sim/boot/assignment';
import { configTable } from '@zerotouch/firmware-sim/boot/config';
import { commands, powerTable } from '@zerotouch/firmware-sim/boot/power';
import { sessionTable } from '@zerotouch/firmware-sim/boot/session';
import { slotTable } from '@zerotouch/firmware-sim/boot/slots';
import t from 'tap';
import { harsh, keyOf, type Move, moves, type Situation, shortestWaits, start, updating, type World } from './explore.js';

const costly: readonly string[] = ['mount', 'restart', 'register', 'connect'];

/** Which circle each situation is in: those with one number lead to one another (Tarjan's strongly connected components). */
function circlesIn(graph: Arrows): Map<Situation, number> {
  const order = new Map<Situation, number>();
  const low = new Map<Situation, number>();
  const circles = new Map<Situation, number>();
  const open: Situation[] = [];
  for (const root of graph.keys()) {
    if (order.has(root)) continue;
    const path: { at: Situation; next: Situation[] }[] = [];
    const enter = (at: Situation) => {
      order.set(at, order.size);
      low.set(at, order.get(at) as number);
      open.push(at);
      path.push({ at, next: (graph.get(at) ?? []).map(({ to }) => to) });
    };
    enter(root);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const to = top.next.pop();
      if (to !== undefined) {
        if (!order.has(to)) enter(to);
        else if (!circles.has(to)) low.set(top.at, Math.min(low.get(top.at) as number, order.get(to) as number));
        continue;
      }
      path.pop();
      const below = path.at(-1);
      if (below !== undefined) low.set(below.at, Math.min(low.get(below.at) as number, low.get(top.at) as number));
      if (low.get(top.at) !== order.get(top.at)) continue;
      const circle = circles.size;
      for (let member = open.pop(); member !== undefined; member = open.pop()) {
        circles.set(member, circle);
        if (member === top.at) break;
      }
    }
  }
  return circles;
}

/** What may happen in each situation; each is one object, however many moves lead there. */
type Arrows = ReadonlyMap<Situation, readonly Move[]>;

/** Everything that can become of a device in a world, and how. */
function explored(world: World): Arrows {
  const known = new Map<string, Situation>([[keyOf(start), start]]);
  const arrows = new Map<Situation, readonly Move[]>();
  for (const queue = [start]; queue.length > 0; ) {
    const situation = queue.pop() as Situation;
    const next = moves(situation, world).map((move) => {
      const key = keyOf(move.to);
      const to = known.get(key);
      if (to !== undefined) return { ...move, to };
      known.set(key, move.to);
      queue.push(move.to);
      return move;
    });
    arrows.set(situation, next);
  }
  return arrows;
}

/** The situations from which one of the others can be reached. */
function leadingTo(goal: (situation: Situation) => boolean, arrows: Arrows): Set<Situation> {
  const leading = new Set([...arrows.keys()].filter(goal));
  const before = new Map<Situation, Situation[]>();
  for (const [situation, next] of arrows) {
    for (const { to } of next) {
      const sources = before.get(to);
      if (sources === undefined) before.set(to, [situation]);
      else sources.push(situation);
    }
  }
  for (const queue = [...leading]; queue.length > 0; ) {
    for (const source of before.get(queue.pop() as Situation) ?? []) {
      if (leading.has(source)) continue;
      leading.add(source);
      queue.push(source);
    }
  }
  return leading;
}

const tables = { power: powerTable, assignment: assignmentTable, session: sessionTable, config: configTable };

explore('a device without slots', harsh, tables);
explore('a device with slots', updating, { ...tables, slots: slotTable });

function explore(name: string, world: World, tables: Record<string, object>): void {
  const arrows = explored(world);
  const situations = [...arrows.keys()];
  t.test(`${name}, whatever the world answers (${situations.length} situations)`, async (t) => {
    t.test('every state of every table is reached', async (t) => {
      for (const [name, table] of Object.entries(tables)) {
        const reached = new Set(situations.map(({ machine }) => machine[name as 'power']));
        t.strictSame([...reached].sort(), Object.keys(table).sort(), name);
      }
    });

    t.test('a device that is on always waits for something that will come', async (t) => {
      const stuck = situations.filter(
        ({ machine, pending }) =>
          machine.power !== 'off' && machine.power !== 'halted' && machine.power !== 'running' && Object.keys(pending).length === 0,
      );
      t.strictSame(stuck, []);
    });

    t.test('from every situation there is a way to running', async (t) => {
      const canRun = leadingTo(({ machine }) => machine.power === 'running', arrows);
      t.ok(canRun.size > 0);
      t.strictSame(
        situations.filter((situation) => !canRun.has(situation)),
        [],
      );
    });

    t.test('asking DPS again after a failure or a second refusal always goes through a wait', async (t) => {
      for (const [situation, next] of arrows) {
        for (const { event, effects } of next) {
          const registers = effects.some((effect) => effect.do === 'register');
          if (!registers || ('event' in event && event.event === 'due')) continue;
          const firstAsking = situation.machine.registers.asked === 0;
          if (!firstAsking) t.fail(`registers at once in ${keyOf(situation)} on ${JSON.stringify(event)}`);
        }
      }
      t.pass('no situation registers twice without a wait');
    });

    t.test('nothing goes round and round without a wait', async (t) => {
      // What takes time (a wait, an operation that hangs) or somebody's doing (a command, the switch, an update) may lead round; all else must not.
      const takesTime = ({ event }: Move) =>
        'event' in event && ['due', 'hung', 'power-on', 'power-off', 'update', ...commands].includes(event.event);
      const atOnce = new Map([...arrows].map(([situation, next]) => [situation, next.filter((move) => !takesTime(move))]));
      const circles = circlesIn(atOnce);
      const work = [...atOnce].flatMap(([situation, next]) =>
        next.filter(
          ({ to, effects }) => circles.get(situation) === circles.get(to) && effects.some((effect) => costly.includes(effect.do)),
        ),
      );
      t.strictSame(work, [], 'no circle mounts, registers or connects');
    });

    t.test('and no wait is nothing, whatever the dice say', async (t) => {
      const waits = [...arrows].flatMap(([situation, next]) => next.flatMap(({ event }) => shortestWaits(situation, event)));
      t.ok(waits.length > 0);
      t.strictSame(
        waits.filter((ms) => ms < 200),
        [],
      );
    });

    t.test('power off leaves nothing under way', async (t) => {
      const off = situations.filter(({ machine }) => machine.power === 'off');
      for (const { machine, pending } of off) {
        t.strictSame(pending, {});
        t.match(machine, { assignment: 'idle', session: 'idle', config: 'idle', slots: 'idle' });
      }
    });

    t.test('a running device holds a live session', async (t) => {
      for (const { machine } of situations) {
        if (['running', 'configuring', 'safe'].includes(machine.power) && machine.session !== 'connected') t.fail(JSON.stringify(machine));
      }
    });

    if (world.slots) {
      t.test('no trial is without end, and from every one there is a way back to an application that stays', async (t) => {
        const trials = situations.filter(({ machine }) => !['idle', 'settled'].includes(machine.slots));
        t.ok(trials.length > 0);
        t.strictSame(
          trials.filter(({ pending }) => pending.slots === undefined),
          [],
        );
        const canSettle = leadingTo(({ machine }) => machine.slots === 'settled' && machine.power === 'running', arrows);
        t.strictSame(
          trials.filter((situation) => !canSettle.has(situation)),
          [],
        );
      });
    }
  });
}
