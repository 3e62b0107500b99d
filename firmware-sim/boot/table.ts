/** One row: in a state, at an event, which state comes next and which effect is carried out. */
export type Row<State extends string, Effect extends string> = readonly [next: State, effect: Effect | 'none'];

/** A whole machine as data: a row for every state and every event. */
export type Table<State extends string, Event extends string, Effect extends string> = {
  readonly [S in State]: { readonly [E in Event]: Row<State, Effect> };
};

/** The rows of a table that do something. */
export type ActiveRows<State extends string, Event extends string, Effect extends string> = {
  readonly [S in State]: { readonly [E in Event]?: Row<State, Effect> };
};

/** The whole table from the rows that do something: in every other row the event comes too late, and changes nothing. */
export function tableOf<State extends string, Event extends string, Effect extends string>(
  events: readonly Event[],
  rows: ActiveRows<State, Event, Effect>,
): Table<State, Event, Effect> {
  const states = Object.keys(rows) as State[];
  const rowsOf = (state: State) => Object.fromEntries(events.map((event) => [event, rows[state][event] ?? [state, 'none']]));
  return Object.fromEntries(states.map((state) => [state, rowsOf(state)])) as Table<State, Event, Effect>;
}
